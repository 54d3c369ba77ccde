package main

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// limit is the time after which an operation hangs; veryLate that after which a timeout is.
const (
	limit    = 30 * time.Second
	veryLate = 200 * time.Millisecond
)

// controller executes the lines of one script in order.
type controller struct {
	dir      string
	paths    int
	things   map[string]any
	kept     []any
	lanes    map[string]*lane
	deadline time.Time
}

// lane is one operation that runs beside the controller.
type lane struct {
	id      int64
	ended   chan struct{}
	outcome string
	at      time.Time
	made    any
	names   []string
}

func newController() *controller {
	dir, err := os.MkdirTemp("", "oracle-")
	if err != nil {
		panic(err)
	}
	return &controller{dir: dir, things: map[string]any{}, lanes: map[string]*lane{}}
}

func (c *controller) finish() {
	for _, thing := range c.kept {
		closeThing(thing)
	}
	os.RemoveAll(c.dir)
}

func (c *controller) path() string {
	c.paths++
	return filepath.Join(c.dir, strconv.Itoa(c.paths))
}

func (c *controller) name(name string, thing any) {
	c.things[name] = thing
	c.kept = append(c.kept, thing)
}

// start runs an operation on a lane; names are for what it makes.
func start(names []string, operation func() (string, any)) *lane {
	l := &lane{ended: make(chan struct{}), names: names}
	id := make(chan int64)
	go func() {
		id <- goroutineID()
		defer close(l.ended)
		defer func() {
			l.at = time.Now()
			if recover() != nil {
				l.outcome = "PANIC"
			}
		}()
		l.outcome, l.made = operation()
	}()
	l.id = <-id
	return l
}

// wait says whether the lane ends in time.
func (l *lane) wait(limit time.Duration) bool {
	select {
	case <-l.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

func (c *controller) take(l *lane) {
	if l.made == nil {
		return
	}
	for _, name := range l.names {
		c.things[name] = l.made
	}
	c.kept = append(c.kept, l.made)
	l.made = nil
}

var count = regexp.MustCompile(`n=\d+`)

// execute does what a line says and returns what it prints, if anything.
func (c *controller) execute(line string) string {
	words := strings.Fields(line)
	late, masked := false, false
	for {
		switch words[len(words)-1] {
		case "late":
			late = true
		case "n*":
			masked = true
		default:
			outcome := c.operation(words, late)
			if masked {
				outcome = count.ReplaceAllString(outcome, "n=*")
			}
			return outcome
		}
		words = words[:len(words)-1]
	}
}

// silent is the outcome of a line that only prepares: it prints nothing unless it fails.
func silent(outcome string) string {
	if strings.HasPrefix(outcome, "OK") {
		return ""
	}
	return outcome
}

func (c *controller) operation(words []string, late bool) string {
	arg := func(i int) string { return words[i] }
	switch words[0] {
	case "go":
		names, operation := c.call(words[1], words[2:])
		if operation == nil {
			return "MISSING"
		}
		c.lanes[words[1]] = start(names, operation)
		return ""
	case "goclose":
		thing, ok := c.things[words[2]]
		if !ok {
			return "MISSING"
		}
		c.lanes[words[1]] = start(nil, func() (string, any) { return closeThing(thing), nil })
		return ""
	case "parked", "done", "blocked":
		l, ok := c.lanes[words[1]]
		if !ok {
			return "MISSING"
		}
		switch words[0] {
		case "parked":
			return l.parked(len(words) == 3)
		case "blocked":
			if l.wait(duration(words[2])) {
				return "RETURNED " + l.outcome
			}
			return "BLOCKED"
		}
		return c.done(l, late)
	case "sleep":
		time.Sleep(duration(words[1]))
		return ""
	case "dialdead", "dialto":
		when := "none"
		if len(words) == 2 {
			when = words[1]
		}
		return c.atOnce(nil, func() (string, any) { return dialInternal(words[0] == "dialdead", moment(when)) })
	case "rdl", "wdl", "dl":
		deadline := moment(words[2])
		if !deadline.IsZero() {
			c.deadline = deadline
		}
		return c.on(arg(1), func(thing any) string { return setDeadline(thing, words[0], deadline) })
	case "close":
		return c.on(arg(1), closeThing)
	case "rst":
		return c.on(arg(1), reset)
	case "shutr", "shutw":
		return c.on(arg(1), func(thing any) string { return shutdown(thing, words[0] == "shutw") })
	case "bufs":
		return silent(c.on(arg(1), func(thing any) string { return setBuffers(thing, number(words[2])) }))
	case "inline":
		return silent(c.on(arg(1), setInline))
	case "dup":
		of, ok := c.things[words[1]]
		if !ok {
			return "MISSING"
		}
		return silent(c.atOnce([]string{words[2]}, func() (string, any) { return duplicate(of) }))
	case "pair", "listen", "udp", "unixgram", "pipe", "fifo", "openr", "openw", "openrw", "file":
		return silent(c.prepare(words))
	}
	names, operation := c.call("", words)
	if operation == nil {
		return "MISSING"
	}
	outcome := c.atOnce(names, operation)
	if words[0] == "dial" {
		return silent(outcome)
	}
	return outcome
}

// on runs an operation on a thing, with the limit.
func (c *controller) on(name string, operation func(any) string) string {
	thing, ok := c.things[name]
	if !ok {
		return "MISSING"
	}
	return c.atOnce(nil, func() (string, any) { return operation(thing), nil })
}

func (c *controller) atOnce(names []string, operation func() (string, any)) string {
	l := start(names, operation)
	if !l.wait(limit) {
		return "HANG"
	}
	c.take(l)
	return l.outcome
}

func (c *controller) done(l *lane, late bool) string {
	if !l.wait(limit) {
		return "HANG"
	}
	c.take(l)
	if !late {
		return l.outcome
	}
	switch {
	case l.at.Before(c.deadline):
		return l.outcome + " EARLY"
	case l.at.After(c.deadline.Add(veryLate)):
		return l.outcome + " VERYLATE"
	}
	return l.outcome + " ontime"
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return n
}

func numbers(word string) []int {
	var sizes []int
	for size := range strings.SplitSeq(word, ",") {
		sizes = append(sizes, number(size))
	}
	return sizes
}

func duration(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		panic(err)
	}
	return d
}

func moment(word string) time.Time {
	switch word {
	case "none":
		return time.Time{}
	case "now":
		return time.Now()
	case "max":
		return time.Now().Add(math.MaxInt64)
	}
	return time.Now().Add(duration(word))
}
