package main

import "syscall"

// childAttributes puts a child in a process group of its own, so that Ctrl-C
// reaches it only through this process, and lets the kernel end it when this
// process dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
