// Oracle runs the scripts of this folder's README on real Go and prints what each line came to.
//
// The goldens are its output. It uses nothing but the standard library: net and os for the operations, and the
// states of goroutines to tell whether one is parked.
package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// jobs is how many scripts run at the same time.
const jobs = 8

type script struct {
	name  string
	lines []string
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: oracle FILE...")
		os.Exit(2)
	}
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			os.Exit(1)
		}
		for _, answer := range runAll(parse(string(text))) {
			fmt.Print(answer)
		}
	}
}

// parse only splits: whether the lines make sense is checked by the other runner.
func parse(text string) []script {
	var scripts []script
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "script "); ok {
			scripts = append(scripts, script{name: strings.TrimSpace(name)})
			continue
		}
		last := &scripts[len(scripts)-1]
		last.lines = append(last.lines, line)
	}
	return scripts
}

func runAll(scripts []script) []string {
	answers := make([]string, len(scripts))
	next := make(chan int)
	var wait sync.WaitGroup
	for range jobs {
		wait.Go(func() {
			for i := range next {
				answers[i] = scripts[i].run()
			}
		})
	}
	for i := range scripts {
		next <- i
	}
	close(next)
	wait.Wait()
	return answers
}

func (s script) run() string {
	c := newController()
	defer c.finish()
	var out strings.Builder
	fmt.Fprintf(&out, "== %s\n", s.name)
	for _, line := range s.lines {
		if outcome := c.execute(line); outcome != "" {
			fmt.Fprintf(&out, "  %-24s -> %s\n", line, outcome)
		}
	}
	return out.String()
}
