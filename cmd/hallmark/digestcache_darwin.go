package main

import (
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// identity is what the file system knows of a file beside size and time of its
// content: device, inode, and when either content or inode last changed.
func identity(info fs.FileInfo) (id string, changed time.Time, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", time.Time{}, false
	}
	changed = time.Unix(s.Ctimespec.Unix())
	return fmt.Sprintf("%d %d %d", s.Dev, s.Ino, changed.UnixNano()), changed, true
}
