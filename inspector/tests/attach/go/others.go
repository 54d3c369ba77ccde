package main

import (
	"fmt"
	"sync"
	"time"
)

// otherPlaces are waits for something that is no descriptor. They never end. The runtime's names for them differ from
// version to version.
var otherPlaces = map[string]struct {
	states []string
	run    func(*waiter) error
}{
	"receive": {[]string{"chan receive"}, func(w *waiter) error {
		channel := make(chan int)
		w.next()
		<-channel
		return nil
	}},
	"send": {[]string{"chan send"}, func(w *waiter) error {
		channel := make(chan int)
		w.next()
		channel <- 1
		return nil
	}},
	"receive-nil": {[]string{"chan receive (nil chan)"}, func(w *waiter) error {
		var channel chan int
		w.next()
		<-channel
		return nil
	}},
	"select": {[]string{"select"}, func(w *waiter) error {
		one, two := make(chan int), make(chan int)
		w.next()
		select {
		case <-one:
		case two <- 1:
		}
		return nil
	}},
	"select-none": {[]string{"select (no cases)"}, func(w *waiter) error {
		w.next()
		select {}
	}},
	"sleep": {[]string{"sleep"}, func(w *waiter) error {
		w.next()
		time.Sleep(1000 * time.Hour)
		return nil
	}},
	"mutex": {[]string{"sync.Mutex.Lock", "semacquire"}, func(w *waiter) error {
		var mutex sync.Mutex
		mutex.Lock()
		w.next()
		mutex.Lock()
		return nil
	}},
	"rwmutex": {[]string{"sync.RWMutex.RLock", "semacquire"}, func(w *waiter) error {
		var mutex sync.RWMutex
		mutex.Lock()
		w.next()
		mutex.RLock()
		return nil
	}},
	"waitgroup": {[]string{"sync.WaitGroup.Wait", "semacquire"}, func(w *waiter) error {
		var group sync.WaitGroup
		group.Add(1)
		w.next()
		group.Wait()
		return nil
	}},
	"cond": {[]string{"sync.Cond.Wait"}, func(w *waiter) error {
		cond := sync.NewCond(&sync.Mutex{})
		cond.L.Lock()
		w.next()
		cond.Wait()
		return nil
	}},
}

// wait lets so many more goroutines wait for something.
func (s *service) wait(place string, count int) error {
	kind, known := otherPlaces[place]
	if !known {
		return fmt.Errorf("nothing to wait for: %s", place)
	}
	for i := 0; i < count; i++ {
		waiter := begin(place, kind.run)
		if !waiter.becomes(kind.states...) {
			return fmt.Errorf("it does not wait: %s", place)
		}
		s.others = append(s.others, waiter)
	}
	return nil
}
