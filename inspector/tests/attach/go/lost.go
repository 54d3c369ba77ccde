package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lose lets the kernel tell nothing more of a descriptor, as a library may that has got hold of the runtime's epoll set,
// and sends something there: whoever waits for it is not woken.
func (s *service) lose(d *descriptor) error {
	set, word, err := registration(d.fd)
	if err != nil {
		return err
	}
	event := syscall.EpollEvent{Fd: int32(word), Pad: int32(word >> 32)}
	if err := syscall.EpollCtl(set, syscall.EPOLL_CTL_MOD, d.fd, &event); err != nil {
		return err
	}
	return s.send(d)
}

// registration returns the epoll set that has a descriptor, and the word with which it was registered.
func registration(wanted int) (int, uint64, error) {
	sets, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		return 0, 0, err
	}
	for _, path := range sets {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			var fd int
			var events, word uint64
			line := strings.Join(strings.Fields(lines.Text()), " ")
			count, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &fd, &events, &word)
			if count == 3 && fd == wanted {
				file.Close()
				set, err := strconv.Atoi(filepath.Base(path))
				return set, word, err
			}
		}
		file.Close()
	}
	return 0, 0, fmt.Errorf("no epoll set has descriptor %d", wanted)
}
