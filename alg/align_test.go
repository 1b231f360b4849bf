package alg

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// What is laid beside each other without looking further is what looking further comes to.
func TestWalkStraight(t *testing.T) {
	type element struct{ key, value int }
	r := rand.New(rand.NewPCG(5, 6))
	straight := 0
	for range 20000 {
		n := 1 + r.IntN(8)
		a, b := make([]element, n), make([]element, n)
		for i := range n {
			a[i] = element{r.IntN(8), r.IntN(2)}
			b[i] = a[i]
			if r.IntN(3) == 0 {
				b[i] = element{a[i].key, r.IntN(4)}
			}
		}
		if r.IntN(4) == 0 {
			b = b[r.IntN(n):]
		}
		same := func(i, j int) bool { return a[i] == b[j] }
		score := func(i, j int) int {
			switch {
			case a[i].key != b[j].key:
				return 0
			case same(i, j):
				return lineEqual
			}
			return 1 + a[i].value + b[j].value
		}
		used := false
		alone := func(i, j int) bool {
			other := func(e element) bool { return e.key == a[i].key }
			used = a[i].key == b[j].key && !slices.ContainsFunc(a[:i], other) && !slices.ContainsFunc(a[i+1:], other) &&
				!slices.ContainsFunc(b[:j], other) && !slices.ContainsFunc(b[j+1:], other)
			return used
		}
		pairs := func(alone func(i, j int) bool) (list [][2]int) {
			walk(len(a), len(b), same, score, alone, func(i, j int) { list = append(list, [2]int{i, j}) })
			return list
		}
		got, want := pairs(alone), pairs(func(int, int) bool { return false })
		if !slices.Equal(got, want) {
			t.Fatalf("%v and %v: %v, want %v", a, b, got, want)
		}
		if used {
			straight++
		}
	}
	if straight < 1000 {
		t.Errorf("only %d were laid beside each other at once", straight)
	}
}
