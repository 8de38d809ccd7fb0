package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of processor time in /proc: it is the same on every Linux.
const tick = 10 * time.Millisecond

// usage is the processor time that was used before something.
type usage struct {
	pids           []int
	server, client time.Duration
}

// startUsage begins to measure; without pids it measures nothing.
func startUsage(pids []int) (u usage, err error) {
	u.pids = pids
	u.server, u.client, err = u.read()
	return u, err
}

// stop puts what was used since the start into the report.
func (u usage) stop(r *Report) error {
	server, client, err := u.read()
	r.Server, r.Client = server-u.server, client-u.client
	return err
}

func (u usage) read() (server, client time.Duration, err error) {
	for _, pid := range u.pids {
		used, err := processorTime(pid)
		if err != nil {
			return 0, 0, err
		}
		server += used
	}
	if len(u.pids) > 0 {
		client, err = processorTime(os.Getpid())
	}
	return server, client, err
}

// processorTime returns what a process on this machine used since its start.
func processorTime(pid int) (time.Duration, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	used, err := parseStat(line)
	if err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return used, nil
}

// parseStat reads utime and stime, the 14th and 15th field of a line of
// /proc/PID/stat. The second is the name in parentheses, with anything in it.
func parseStat(line []byte) (time.Duration, error) {
	name := bytes.LastIndexByte(line, ')')
	fields := bytes.Fields(line[name+1:])
	if name < 0 || len(fields) < 13 {
		return 0, errors.New("malformed line")
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 48)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(string(fields[12]), 10, 48)
	return time.Duration(user+system) * tick, err
}
