//go:build unix && !linux

package main

import "syscall"

// childAttributes puts a child in a process group of its own, so that Ctrl-C
// reaches it only through this process.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
