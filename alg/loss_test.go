package alg

import (
	"math"
	"testing"
)

func TestTries(t *testing.T) {
	for _, c := range []struct {
		q    float64
		want int
	}{
		{-1, 1}, {0, 1}, {1e-8, 1}, {0.01, 4}, {0.05, 6}, {0.1, 8}, {0.2, 11}, {0.5, 24}, {0.500001, 0}, {0.6, 0}, {1, 0}, {math.Inf(1), 0},
	} {
		if got := Tries(c.q); got != c.want {
			t.Errorf("%v: %d tries, want %d", c.q, got, c.want)
		}
	}
	// What the tries prove is what they are for, and one try less would not.
	for q := 0.001; q <= tooLossy; q += 0.001 {
		k := Tries(q)
		if math.Pow(q, float64(k)) > falseDrop*(1+1e-9) || math.Pow(q, float64(k-1)) <= falseDrop*(1-1e-9) {
			t.Errorf("%v: %d tries", q, k)
		}
	}
	if got := TriesUnmeasured("udp"); got != 11 {
		t.Errorf("%d tries unmeasured", got)
	}
}

func TestTriesBeside(t *testing.T) {
	for _, c := range []struct {
		q    float64
		want int
	}{
		{-1, 2}, {0, 2}, {1e-8, 2}, {0.01, 2}, {0.03, 2}, {0.05, 3}, {0.1, 3}, {0.2, 5}, {0.5, 10}, {0.6, 2}, {math.Inf(1), 2},
	} {
		if got := TriesBeside(c.q); got != c.want {
			t.Errorf("%v: %d tries, want %d", c.q, got, c.want)
		}
	}
}

func TestLossEstimate(t *testing.T) {
	for _, c := range []struct {
		lost, sent int
		want       float64
	}{
		{0, 0, 0.5}, {0, 1, 1.0 / 3}, {0, 20, 1.0 / 22}, {5, 100, 6.0 / 102}, {20, 20, 21.0 / 22},
	} {
		if got := LossEstimate(c.lost, c.sent); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%d of %d: %v, want %v", c.lost, c.sent, got, c.want)
		}
	}
}
