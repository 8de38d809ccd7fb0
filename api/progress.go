package api

import "strconv"

// The events a stream adds when progress is asked for. Only progress has an
// id: a client that reconnects goes on from there, even when its filter has
// let nothing through for long.

// appendHello appends what a stream begins with, if it is asked for.
func (st *stream) appendHello(dst []byte) []byte {
	if !st.progress {
		return dst
	}
	node := st.server.node
	dst = appendString(append(dst, "event: hello\ndata: {\"cluster\":"...), node.ClusterID())
	dst = appendString(append(dst, `,"node":`...), node.ID())
	dst = strconv.AppendUint(append(dst, `,"head":`...), st.log.Head(), 10)
	dst = strconv.AppendUint(append(dst, `,"oldest":`...), st.log.Oldest(), 10)
	return append(dst, "}\n\n"...)
}

// caughtUp tells, once, that everything up to the head at the stream's start
// has been sent. Batches end where transactions do, and so does what it names.
func (st *stream) caughtUp() error {
	at := st.cursor.Position()
	if !st.catching || at < st.target {
		return nil
	}
	st.catching = false
	frame := strconv.AppendUint([]byte("event: caught_up\ndata: {\"head\":"), at, 10)
	return st.flush(append(frame, "}\n\n"...))
}

// appendProgress appends how far a stream has come.
func appendProgress(dst []byte, offset uint64) []byte {
	dst = strconv.AppendUint(append(dst, "event: progress\nid: "...), offset, 10)
	dst = strconv.AppendUint(append(dst, "\ndata: {\"offset\":"...), offset, 10)
	return append(dst, "}\n\n"...)
}
