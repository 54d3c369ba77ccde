package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// waiter is a goroutine that waits, or has waited.
type waiter struct {
	place string
	// goroutine is what the runtime calls it.
	goroutine uint64
	// noted is where it says that it is, if it does, and when it said so at last: it has not waited for longer.
	noted atomic.Pointer[line]
	since atomic.Int64
	// again is whether it goes on when its wait ends.
	again atomic.Bool
	over  chan struct{}
	err   error
}

// line is one of a function in a file.
type line struct {
	function string
	file     string
	number   int
}

// begin starts a goroutine.
func begin(place string, run func(*waiter) error) *waiter {
	w := &waiter{place: place, over: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		w.goroutine = this()
		w.since.Store(monotonic())
		close(started)
		w.err = run(w)
		close(w.over)
	}()
	<-started
	return w
}

// next notes the line after the one that calls it.
func (w *waiter) next() {
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:])
	frame, _ := runtime.CallersFrames(pcs[:]).Next()
	w.noted.Store(&line{frame.Function, frame.File, frame.Line + 1})
	w.since.Store(monotonic())
}

func (w *waiter) isOver() bool {
	select {
	case <-w.over:
		return true
	default:
		return false
	}
}

// becomes returns whether the runtime says that this goroutine is in a state, before it is over.
func (w *waiter) becomes(states ...string) bool {
	for start := time.Now(); !w.isOver() && time.Since(start) < patience; {
		now := dump()[w.goroutine]
		for _, state := range states {
			if now != nil && now.state == state {
				return true
			}
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// goesOn waits until it waits anew, later than at some time.
func (w *waiter) goesOn(before int64) error {
	for start := time.Now(); w.since.Load() == before; time.Sleep(time.Millisecond) {
		if w.isOver() || time.Since(start) > patience {
			return fmt.Errorf("goroutine %d does not go on: %v", w.goroutine, w.err)
		}
	}
	return nil
}

// ends waits until it is over.
func (w *waiter) ends() error {
	select {
	case <-w.over:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("goroutine %d still waits", w.goroutine)
	}
}

// monotonic returns the time of the clock that does not jump, in nanoseconds: what the runtime goes by.
func monotonic() int64 {
	var now syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

// this returns the number of the goroutine that asks.
func this() uint64 {
	text := make([]byte, 64)
	text = text[:runtime.Stack(text, false)]
	number, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		panic(err)
	}
	return number
}

// goroutine is what the runtime writes of one.
type goroutine struct {
	state string
	stack []line
}

// dump returns all goroutines, as they are at one time.
func dump() map[uint64]*goroutine {
	text := make([]byte, 1<<20)
	for {
		size := runtime.Stack(text, true)
		if size < len(text) {
			text = text[:size]
			break
		}
		text = make([]byte, 2*len(text))
	}
	all := map[uint64]*goroutine{}
	for _, block := range strings.Split(string(text), "\n\n") {
		lines := strings.Split(block, "\n")
		// goroutine 7 [IO wait, 2 minutes]:
		words := strings.Fields(lines[0])
		if len(words) < 3 || words[0] != "goroutine" {
			continue
		}
		number, err := strconv.ParseUint(words[1], 10, 64)
		if err != nil {
			continue
		}
		one := &goroutine{state: between(lines[0], "[", "]")}
		one.state = strings.Split(one.state, ",")[0]
		for i := 1; i+1 < len(lines); i += 2 {
			if strings.HasPrefix(lines[i], "created by ") || strings.HasPrefix(lines[i], "...") {
				break
			}
			one.stack = append(one.stack, lineOf(lines[i], lines[i+1]))
		}
		all[number] = one
	}
	return all
}

// lineOf reads a call: "main.f(0x1, ...)" and "	/path/file.go:12 +0x34".
func lineOf(call, place string) line {
	function := call
	if end := strings.LastIndex(call, "("); end >= 0 {
		function = call[:end]
	}
	place = strings.TrimSpace(strings.Split(place, " +0x")[0])
	end := strings.LastIndex(place, ":")
	number, _ := strconv.Atoi(place[end+1:])
	return line{function, place[:end], number}
}

func between(text, open, close string) string {
	_, text, _ = strings.Cut(text, open)
	text, _, _ = strings.Cut(text, close)
	return text
}
