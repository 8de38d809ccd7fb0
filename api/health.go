package api

import (
	"net/http"

	"github.com/kissvdb/kissvdb/node"
)

// health says that the process answers, and nothing more.
func (s *Server) health(rw *response, _ *http.Request) error {
	rw.send(http.StatusOK, textType, append(rw.out[:0], "ok"...))
	return nil
}

func (s *Server) livez(rw *response, _ *http.Request) error {
	rw.sendChecks(s.node.Live())
	return nil
}

func (s *Server) readyz(rw *response, r *http.Request) error {
	ctx, cancel := s.deadline(r)
	defer cancel()
	rw.sendChecks(s.node.Ready(ctx))
	return nil
}

// sendChecks answers with one line per check, and 503 when one failed.
func (rw *response) sendChecks(checks []node.Check) {
	status := http.StatusOK
	out := rw.out[:0]
	for _, c := range checks {
		if c.Err == nil {
			out = append(append(append(out, "[+]"...), c.Name...), " ok\n"...)
			continue
		}
		status = http.StatusServiceUnavailable
		out = append(append(append(out, "[-]"...), c.Name...), " failed: "...)
		out = append(append(out, c.Err.Error()...), '\n')
	}
	if status != http.StatusOK {
		rw.Header()["Retry-After"] = []string{"1"}
	}
	rw.out = out
	rw.send(status, textType, out)
}
