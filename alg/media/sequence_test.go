package media

import (
	"math/rand/v2"
	"testing"
)

func TestSequence(t *testing.T) {
	tests := []struct {
		name  string
		seqs  []uint16
		want  [2]uint64 // expected, received
		check func(q *sequence) bool
	}{
		{"in order", []uint16{7, 8, 9}, [2]uint64{3, 3}, func(q *sequence) bool { return q.gaps == 0 }},
		{"wrap", []uint16{65534, 65535, 0, 1}, [2]uint64{4, 4}, func(q *sequence) bool { return q.gaps == 0 && q.restarts == 0 }},
		{"wrap with loss", []uint16{65533, 65535, 1}, [2]uint64{5, 3}, func(q *sequence) bool { return q.gaps == 2 && q.longest == 1 }},
		{"loss of three", []uint16{1, 5, 6}, [2]uint64{6, 3}, func(q *sequence) bool { return q.gaps == 1 && q.longest == 3 }},
		{"reordered", []uint16{1, 3, 2, 4}, [2]uint64{4, 4}, func(q *sequence) bool { return q.late == 1 && q.gaps == 0 }},
		{"reordered within a longer gap", []uint16{1, 5, 3, 6}, [2]uint64{6, 4}, func(q *sequence) bool { return q.late == 1 && q.gaps == 1 }},
		{"reordered at the start", []uint16{10, 9, 11}, [2]uint64{3, 3}, func(q *sequence) bool { return q.late == 1 }},
		{"reordered over the wrap", []uint16{65535, 1, 0, 2}, [2]uint64{4, 4}, func(q *sequence) bool { return q.late == 1 && q.gaps == 0 }},
		{"a duplicate hides no loss", []uint16{1, 1, 3, 3}, [2]uint64{3, 2}, func(q *sequence) bool { return q.duplicates == 2 }},
		{"an old duplicate", []uint16{1, 2, 3, 4, 1}, [2]uint64{4, 4}, func(q *sequence) bool { return q.duplicates == 1 && q.late == 0 }},
		{"restart", []uint16{1, 2, 40000, 40001, 40002}, [2]uint64{5, 5}, func(q *sequence) bool { return q.restarts == 1 && q.strays == 0 && q.gaps == 0 }},
		{"stray", []uint16{1, 2, 40000, 3, 4}, [2]uint64{4, 4}, func(q *sequence) bool { return q.restarts == 0 && q.strays == 1 }},
		{"just below a restart", []uint16{1, 3000}, [2]uint64{3000, 2}, func(q *sequence) bool { return q.restarts == 0 && q.longest == 2998 }},
		{"long loss beyond the window", []uint16{1, 2, 500, 501, 410}, [2]uint64{501, 5}, func(q *sequence) bool { return q.late == 1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var q sequence
			q.start(test.seqs[0])
			for _, s := range test.seqs[1:] {
				q.add(s)
			}
			if e, r := q.totals(); [2]uint64{e, r} != test.want || !test.check(&q) {
				t.Errorf("expected %d received %d, want %v: %+v", e, r, test.want, q)
			}
		})
	}
}

// Random loss, duplicates and reordering: what is expected, received and lost follows from a set of numbers.
func TestSequenceAgainstSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		seqs := disturbed(r, 1000+r.IntN(3000))
		var q sequence
		q.start(uint16(seqs[0]))
		set := map[int]bool{seqs[0]: true}
		low, high := seqs[0], seqs[0]
		for _, n := range seqs[1:] {
			q.add(uint16(n))
			set[n] = true
			low, high = min(low, n), max(high, n)
		}
		if e, got := q.totals(); e != uint64(high-low+1) || got != uint64(len(set)) || int(q.duplicates) != len(seqs)-len(set) {
			t.Fatalf("expected %d, received %d, %d duplicates; want %d, %d, %d", e, got, q.duplicates, high-low+1, len(set), len(seqs)-len(set))
		}
	}
}

// disturbed are consecutive numbers of which some are missing, some come twice, some late.
func disturbed(r *rand.Rand, n int) []int {
	var seqs []int
	first := 1<<16 + r.IntN(1<<16)
	for i := range n {
		switch x := r.IntN(100); {
		case x < 5:
		case x < 8:
			seqs = append(seqs, first+i, first+i)
		default:
			seqs = append(seqs, first+i)
		}
	}
	for range n / 50 {
		i := r.IntN(len(seqs) - 20)
		j := i + r.IntN(20)
		seqs[i], seqs[j] = seqs[j], seqs[i]
	}
	return seqs
}
