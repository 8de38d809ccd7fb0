package e2e

import (
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// TestRegisterModel shows that the checker sees what it is there to see.
func TestRegisterModel(t *testing.T) {
	type op = porcupine.Operation
	put := func(v string, rev uint64, call, ret int64) op {
		return op{Input: opInput{kind: opPut, key: "k", value: v}, Output: opOutput{revision: rev}, Call: call, Return: ret}
	}
	lost := func(v string, call int64) op {
		return op{Input: opInput{kind: opPut, key: "k", value: v}, Output: opOutput{unknown: true}, Call: call, Return: math.MaxInt64}
	}
	cas := func(v string, expect uint64, out opOutput, call, ret int64) op {
		return op{Input: opInput{kind: opCAS, key: "k", value: v, revision: expect}, Output: out, Call: call, Return: ret}
	}
	get := func(v string, rev uint64, call, ret int64) op {
		return op{Input: opInput{kind: opGet, key: "k"}, Output: opOutput{value: v, revision: rev}, Call: call, Return: ret}
	}
	for _, tt := range []struct {
		name string
		ops  []op
		want porcupine.CheckResult
	}{
		{"read after write", []op{put("1", 1, 0, 10), get("1", 1, 20, 30)}, porcupine.Ok},
		{"stale read", []op{put("1", 1, 0, 10), put("2", 2, 20, 30), get("1", 1, 40, 50)}, porcupine.Illegal},
		{"read of nothing after write", []op{put("1", 1, 0, 10), get("", 0, 20, 30)}, porcupine.Illegal},
		{"lost update", []op{put("1", 1, 0, 10), put("2", 1, 20, 30)}, porcupine.Illegal},
		{"unknown write seen late", []op{lost("1", 0), get("", 0, 10, 20), get("1", 1, 30, 40)}, porcupine.Ok},
		{"unknown write never seen", []op{lost("1", 0), get("", 0, 10, 20)}, porcupine.Ok},
		{"unknown write seen, then not", []op{lost("1", 0), get("1", 1, 10, 20), get("", 0, 30, 40)}, porcupine.Illegal},
		{"value of a refused write", []op{get("7", 1, 10, 20)}, porcupine.Illegal},
		{"cas wins", []op{put("1", 1, 0, 10), cas("2", 1, opOutput{revision: 2}, 20, 30)}, porcupine.Ok},
		{"cas wins wrongly", []op{put("1", 1, 0, 10), cas("2", 0, opOutput{revision: 2}, 20, 30)}, porcupine.Illegal},
		{"cas loses", []op{put("1", 1, 0, 10), cas("2", 0, opOutput{refused: true}, 20, 30)}, porcupine.Ok},
		{"cas loses wrongly", []op{put("1", 1, 0, 10), cas("2", 1, opOutput{refused: true}, 20, 30)}, porcupine.Illegal},
		{"unknown write seen before its call", []op{get("1", 1, 0, 10), lost("1", 20)}, porcupine.Illegal},
		{"unknown write overwritten unseen", []op{lost("1", 0), put("2", 2, 10, 20), get("2", 2, 30, 40)}, porcupine.Ok},
		{"unknown write fills no two holes", []op{lost("1", 0), put("2", 2, 10, 20), put("3", 4, 30, 40)}, porcupine.Illegal},
		{"unknown write called too late to fill a hole", []op{put("2", 2, 0, 10), lost("1", 20)}, porcupine.Illegal},
		{"unknown cas cannot fill that hole", []op{cas("1", 7, opOutput{unknown: true}, 0, math.MaxInt64), put("2", 2, 10, 20)}, porcupine.Illegal},
		{"unknown cas fills its hole", []op{cas("1", 0, opOutput{unknown: true}, 0, math.MaxInt64), put("2", 2, 10, 20)}, porcupine.Ok},
		{"a lost cas before anything", []op{lost("2", 50), cas("3", 0, opOutput{refused: true}, 30, 40)}, porcupine.Illegal},
		{"only an unknown write explains a lost cas", []op{put("1", 1, 0, 10), lost("2", 20), cas("3", 1, opOutput{refused: true}, 30, 40)}, porcupine.Ok},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := porcupine.CheckOperationsTimeout(registerModel(), tt.ops, 10*time.Second); got != tt.want {
				t.Errorf("checker says %s, want %s", got, tt.want)
			}
		})
	}
}
