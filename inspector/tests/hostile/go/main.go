// Liar is a service that lies about who waits: it writes anything, as fast as it can, over what Go's runtime keeps of
// its descriptors, and over goroutines and stacks that it has made up. One reader is real.
//
// The runtime never looks at what is overwritten, for nothing happens at these descriptors.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

const (
	liars      = 64
	goroutines = 16
	stackSize  = 32 << 10
)

// pollDesc is where the runtime keeps what is lied about, in words.
type pollDesc [30]uintptr

// made is a goroutine that there is not, and its stack.
type made struct {
	g     [64]uintptr
	stack [stackSize / 8]uintptr
}

var all [goroutines]made

func main() {
	reader, writer, err := os.Pipe()
	check(err)
	go func() {
		reader.Read(make([]byte, 1))
	}()
	wanted := map[int]bool{}
	var open []*os.File
	for i := 0; i < liars; i++ {
		one, other, err := os.Pipe()
		check(err)
		open = append(open, one, other)
		wanted[number(one)] = true
	}
	words := registered()
	var found []*pollDesc
	for fd := range wanted {
		if desc := find(fd, words[fd]); desc != nil {
			found = append(found, desc)
		}
	}
	fmt.Println(len(found), number(reader), number(open[0]))
	for i := 0; i < 2; i++ {
		go lie(found, rand.New(rand.NewSource(int64(i))))
	}
	go churn()
	os.Stdin.Read(make([]byte, 1))
	// What nobody refers to any more is closed.
	runtime.KeepAlive([]any{open, reader, writer})
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func number(file *os.File) int {
	raw, err := file.SyscallConn()
	check(err)
	number := 0
	check(raw.Control(func(fd uintptr) { number = int(fd) }))
	return number
}

// minor is the second number of the release.
func minor() int {
	minor := 0
	fmt.Sscanf(runtime.Version(), "go1.%d", &minor)
	return minor
}

// registered returns the words with which descriptors are registered, as /proc tells them.
func registered() map[int]uint64 {
	words := map[int]uint64{}
	for set := 0; set < 1000; set++ {
		file, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", set))
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			var fd int
			var events, data uint64
			line := strings.Join(strings.Fields(lines.Text()), " ")
			if count, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &fd, &events, &data); count == 3 {
				words[fd] = data
			}
		}
		file.Close()
	}
	return words
}

// find returns what the runtime keeps of a descriptor, in whichever release.
func find(fd int, word uint64) *pollDesc {
	at := word
	switch {
	case word == 0:
		return nil
	case minor() >= 25:
		at = uint64(int64(word) >> 24 << 9)
	case minor() >= 20:
		at = uint64(int64(word) >> 19 << 3)
	}
	desc := *(**pollDesc)(unsafe.Pointer(&at))
	if desc[1] != uintptr(fd) {
		return nil
	}
	return desc
}

// lie writes anything, over and over.
func lie(descs []*pollDesc, random *rand.Rand) {
	var pcs [64]uintptr
	count := runtime.Callers(0, pcs[:])
	// Where the flags are; two words for who waits follow, a lock, and whether it is being closed.
	info := 3
	if minor() < 20 {
		info = 2
	}
	for {
		one := &all[random.Intn(len(all))]
		low, high := address(&one.stack[0]), address(&one.stack[0])+stackSize
		// What is read of a goroutine, where some release has it.
		for at, value := range map[int]uintptr{
			0: low, 1: high, 7: low + 1024, 8: pcs[random.Intn(count)], 12: low + 2048, 13: low + 2048,
			18: 4, 19: uintptr(random.Intn(100)), 22: 2, 20: 2,
		} {
			one.g[at] = value
		}
		switch random.Intn(4) {
		case 0:
			one.g[random.Intn(len(one.g))] = anything(random, low)
		case 1:
			for at := range one.stack {
				one.stack[at] = anything(random, low)
			}
		case 2:
			// A chain of calls that ends in a circle.
			for at := 0; at+2 < len(one.stack); at += 2 {
				one.stack[at] = low + uintptr(at+2)*8
				one.stack[at+1] = pcs[random.Intn(count)]
			}
			one.stack[len(one.stack)-2] = low
		}
		for i := 0; i < 8; i++ {
			desc := descs[random.Intn(len(descs))]
			if random.Intn(4) > 0 {
				// As if it waited to read, or to write.
				desc[info], desc[info+4] = 0, 0
				desc[info+1+random.Intn(2)] = address(&one.g[0])
				continue
			}
			// The words that say which one it is are left alone.
			at := []int{info, info + 1, info + 2, info + 4, 17, 21, 22, 28}[random.Intn(8)]
			desc[at] = anything(random, low)
		}
	}
}

func address(of *uintptr) uintptr {
	return uintptr(unsafe.Pointer(of))
}

func anything(random *rand.Rand, low uintptr) uintptr {
	switch random.Intn(6) {
	case 0:
		return uintptr(random.Intn(4))
	case 1:
		return low + uintptr(random.Intn(stackSize/8))*8
	case 2:
		return ^uintptr(random.Intn(1 << 20))
	case 3:
		return uintptr(time.Now().UnixNano())
	case 4:
		return 0
	}
	return uintptr(random.Uint64())
}

// churn lets real goroutines come and go.
func churn() {
	for {
		done := make(chan int)
		for i := 0; i < 100; i++ {
			go func() { done <- 1 }()
		}
		for i := 0; i < 100; i++ {
			<-done
		}
	}
}
