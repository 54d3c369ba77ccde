package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// truth is the answer to "truth".
type truth struct {
	Go          string           `json:"go"`
	NowNS       int64            `json:"now_unix_ns"`
	MonotonicNS int64            `json:"now_monotonic_ns"`
	Descriptors []descriptorFact `json:"descriptors"`
	// Others wait for something else.
	Others []waiterFact `json:"others"`
	// States counts the goroutines of both.
	States map[string]int `json:"states"`
}

type descriptorFact struct {
	ID    int       `json:"id"`
	FD    int       `json:"fd"`
	Kind  string    `json:"kind"`
	Peer  int       `json:"peer"`
	Read  *sideFact `json:"read"`
	Write *sideFact `json:"write"`
}

type sideFact struct {
	// DeadlineNS is 0 without one.
	DeadlineNS int64 `json:"deadline_unix_ns"`
	HasPassed  bool  `json:"has_passed"`
	// Waiter is null if nobody waits.
	Waiter *waiterFact `json:"waiter"`
}

type waiterFact struct {
	Goroutine uint64   `json:"goroutine"`
	State     string   `json:"state"`
	Place     string   `json:"place"`
	SinceNS   int64    `json:"since_monotonic_ns"`
	Function  string   `json:"function"`
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Stack     []string `json:"stack"`
}

func (s *service) truth() (any, error) {
	all := dump()
	now := time.Now()
	facts := truth{
		Go:          runtime.Version(),
		NowNS:       now.UnixNano(),
		MonotonicNS: monotonic(),
		Descriptors: []descriptorFact{},
		Others:      []waiterFact{},
		States:      map[string]int{},
	}
	for _, d := range s.sorted() {
		fact := descriptorFact{ID: d.id, FD: d.fd, Kind: d.kind}
		if d.peer != nil {
			fact.Peer = d.peer.id
		}
		for which, to := range []**sideFact{&fact.Read, &fact.Write} {
			if _, err := d.side(directions[which]); err != nil {
				continue
			}
			side := d.sides[which]
			*to = &sideFact{HasPassed: d.hasPassed(which)}
			if !side.deadline.IsZero() {
				(*to).DeadlineNS = side.deadline.UnixNano()
			}
			if waiter := d.parked(which); waiter != nil {
				found, err := waiter.fact(all)
				if err != nil {
					return nil, err
				}
				facts.States[found.State]++
				(*to).Waiter = found
			}
		}
		facts.Descriptors = append(facts.Descriptors, fact)
	}
	for _, waiter := range s.others {
		found, err := waiter.fact(all)
		if err != nil {
			return nil, err
		}
		facts.States[found.State]++
		facts.Others = append(facts.Others, *found)
	}
	return facts, nil
}

// fact is what the runtime says of a waiter, which must be what that says itself.
func (w *waiter) fact(all map[uint64]*goroutine) (*waiterFact, error) {
	found := all[w.goroutine]
	if found == nil {
		return nil, fmt.Errorf("goroutine %d is not there", w.goroutine)
	}
	fact := &waiterFact{Goroutine: w.goroutine, State: found.state, Place: w.place, SinceNS: w.since.Load()}
	var ours *line
	for i, call := range found.stack {
		fact.Stack = append(fact.Stack, fmt.Sprintf("%s %s:%d", call.function, call.file, call.number))
		if ours == nil && strings.HasPrefix(call.function, "main.") {
			ours = &found.stack[i]
		}
	}
	if ours == nil {
		return nil, fmt.Errorf("goroutine %d is nowhere in this program", w.goroutine)
	}
	if noted := w.noted.Load(); noted != nil && *noted != *ours {
		return nil, fmt.Errorf("goroutine %d is at %v, and said %v", w.goroutine, *ours, *noted)
	}
	fact.Function, fact.File, fact.Line = ours.function, ours.file, ours.number
	return fact, nil
}
