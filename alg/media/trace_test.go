package media

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/pion/rtp"
)

// noisy is a packet whose payload is like no other's.
func noisy(t testing.TB, h rtp.Header, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(h.SequenceNumber)))
	h.Version = 2
	p := rtp.Packet{Header: h, Payload: make([]byte, 160)}
	for i := range p.Payload {
		p.Payload[i] = byte(r.Uint32())
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// traced is the account of packets with these numbers, in this order.
func traced(t testing.TB, ssrc uint32, seed uint64, numbers ...int) *Trace {
	return tracedBeside(t, nil, ssrc, seed, numbers...)
}

// tracedBeside is traced at a point that is looked at after another one.
func tracedBeside(t testing.TB, other map[uint32]uint32, ssrc uint32, seed uint64, numbers ...int) *Trace {
	table := Table{Traces: true, Other: other}
	f := table.Flow(alice, bob)
	f.Announce(0, nil)
	for i, n := range numbers {
		b := noisy(t, rtp.Header{SSRC: ssrc, SequenceNumber: uint16(n), Timestamp: uint32(n) * 160}, seed)
		f.Add(int64(i)*20*ms, 0, b, len(b))
	}
	return stats(t, &table).Trace
}

func hashes(tr *Trace) (list []uint64) {
	for _, p := range tr.Prints {
		list = append(list, p.Hash)
	}
	return list
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, 100+i)
	}
	return list
}

// What is missing is known number by number, whatever the order.
func TestTraceMissing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		numbers []int
		missing []Run // from the first number on
		whole   bool
	}{
		{"all", upTo(10), nil, true},
		{"one", []int{1, 2, 4}, []Run{{2, 2}}, true},
		{"late ones", []int{1, 9, 3, 8, 2}, []Run{{3, 6}}, true},
		{"out of the middle of a run", []int{1, 9, 5, 6}, []Run{{1, 3}, {6, 7}}, true},
		{"older than the first", []int{5, 3, 6}, []Run{{1, 1}}, true},
		{"twice", []int{1, 2, 2, 3, 1}, nil, true},
		{"beyond 16 bits", []int{65534, 65535, 65537, 65538}, []Run{{2, 2}}, true},
		{"anew", []int{1, 2, 3, 20000, 20001, 20002}, nil, false},
		{"one astray", []int{1, 2, 20000, 3, 4}, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := traced(t, 9, 1, tc.numbers...)
			var missing []Run
			for _, r := range got.Missing {
				missing = append(missing, Run{r.From - got.First, r.To - got.First})
			}
			if got.Whole != tc.whole || got.Whole && !reflect.DeepEqual(missing, tc.missing) {
				t.Errorf("%v, whole %v, want %v", missing, got.Whole, tc.missing)
			}
		})
	}
}

// Two points choose the same packets, whatever lies between.
func TestTracePrints(t *testing.T) {
	all := upTo(1000)
	here := hashes(traced(t, 9, 1, all...))
	if len(here) != maxPrints || !slices.IsSorted(here) {
		t.Fatalf("%d prints", len(here))
	}
	if !slices.Equal(hashes(traced(t, 77, 1, all...)), here) {
		t.Error("another SSRC makes others")
	}
	common := 0
	for _, h := range hashes(traced(t, 9, 1, all[300:]...)) {
		if slices.Contains(here, h) {
			common++
		}
	}
	if common < maxPrints/3 {
		t.Errorf("%d in common with 70 %% of the same stream", common)
	}
	for _, h := range hashes(traced(t, 9, 2, all...)) {
		if slices.Contains(here, h) {
			t.Error("another stream has the same")
		}
	}
}

// Who knows the trace of the other point keeps what both have in common, and little else.
func TestTraceBeside(t *testing.T) {
	all := upTo(3000)
	here := traced(t, 9, 1, all...)
	other := map[uint32]uint32{9: here.Highest()}
	for _, numbers := range [][]int{all, all[:200], all[2500:], slices.Concat(upTo(40), all[900:])} {
		alone, beside := traced(t, 9, 1, numbers...), tracedBeside(t, other, 9, 1, numbers...)
		common := func(tr *Trace) (list []uint64) {
			for _, h := range hashes(tr) {
				if slices.Contains(hashes(here), h) {
					list = append(list, h)
				}
			}
			return list
		}
		if got, want := common(beside), common(alone); !slices.Equal(got, want) || len(beside.Prints) > len(got)+3 {
			t.Errorf("of %d packets %d prints, %d in common; want %d", len(numbers), len(beside.Prints), len(got), len(want))
		}
		if len(numbers) == len(all) && len(common(beside)) != maxPrints {
			t.Errorf("%d in common", len(common(beside)))
		}
	}
	if short := traced(t, 9, 1, upTo(10)...); short.Highest() != mostAtFirst {
		t.Error("a stream of ten packets may be known by any of them that is kept")
	}
	if relayed := tracedBeside(t, other, 10, 1, all...); !slices.Equal(hashes(relayed), hashes(here)) {
		t.Error("with another SSRC it is not known")
	}
}

// Silence looks alike in every stream: it is known by SSRC and number, and a tone that repeats tells no time.
func TestTraceOfSilence(t *testing.T) {
	of := func(ssrc uint32, content func(n int) byte) *Trace {
		table := Table{Traces: true}
		f := table.Flow(alice, bob)
		f.Announce(0, nil)
		for n := range 200 {
			b := packet(t, rtp.Header{SSRC: ssrc, SequenceNumber: uint16(n), Timestamp: uint32(n) * 160}, 160)
			for i := range 160 {
				b[12+i] = content(n) + byte(i)*(content(n)&1)
			}
			f.Add(int64(n)*20*ms, 0, b, len(b))
		}
		return stats(t, &table).Trace
	}
	silence := func(int) byte { return 0xfe }
	if a, b := of(1, silence), of(1, silence); len(a.Prints) != maxPrints || !reflect.DeepEqual(a, b) {
		t.Errorf("%d prints", len(a.Prints))
	}
	if a, b := of(1, silence), of(2, silence); a.Prints[0].Hash == b.Prints[0].Hash {
		t.Error("the silence of two streams is the same")
	}
	for _, p := range of(1, func(n int) byte { return byte(n%4)*2 + 1 }).Prints {
		if !p.Repeated {
			t.Errorf("%+v", p)
		}
	}
}

// An account in two parts is what it is in one, wherever it is cut.
func TestTraceJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var numbers []int
	for n := 65000; n < 66000; n++ {
		if r.IntN(10) > 0 {
			numbers = append(numbers, n)
		}
		if k := len(numbers); r.IntN(10) == 0 && k > 5 {
			i := k - 1 - r.IntN(5)
			numbers[i], numbers[k-1] = numbers[k-1], numbers[i]
		}
	}
	for i := range 5 { // so that the first packets are not among the late ones
		numbers[i] = 65000 + i
	}
	slices.Sort(numbers[:20])
	numbers = slices.Compact(numbers)
	whole := traced(t, 9, 1, numbers...)
	for cut := 1; cut < len(numbers); cut += 7 {
		first, second := Table{Traces: true}, Table{Traces: true, Eager: true}
		add := func(table *Table, from, to int) {
			f := table.Flow(alice, bob)
			if table == &first {
				f.Announce(0, nil)
			}
			for i := from; i < to; i++ {
				b := noisy(t, rtp.Header{SSRC: 9, SequenceNumber: uint16(numbers[i]), Timestamp: uint32(numbers[i]) * 160}, 1)
				f.Add(int64(i)*20*ms, 0, b, len(b))
			}
		}
		end := min(cut+200, len(numbers))
		add(&first, 0, cut)
		add(&second, cut, end)
		first.Flow(alice, bob).Join(second.Flow(alice, bob))
		add(&first, end, len(numbers)) // and it goes on
		got := stats(t, &first).Trace
		if !reflect.DeepEqual(got, whole) {
			t.Fatalf("cut at %d:\n%+v\nwant\n%+v", cut, got, whole)
		}
	}
}

// However much is missing, what is kept of it is bounded, and that it is not all is said.
func TestTraceBounds(t *testing.T) {
	var odd []int
	for n := range 3 * maxRuns {
		odd = append(odd, 2*n)
	}
	if got := traced(t, 9, 1, odd...); got.Whole || len(got.Missing) > maxRuns {
		t.Errorf("%d runs, whole %v", len(got.Missing), got.Whole)
	}
	table := Table{Traces: true}
	for range maxTraces + 10 {
		table.newTrace(0)
	}
	if table.traces != maxTraces {
		t.Errorf("%d traces", table.traces)
	}
}

// The runs of all streams are counted as they come and go, so that late packets use nothing up.
func TestTraceCountsRuns(t *testing.T) {
	table := Table{Traces: true}
	tr := table.newTrace(0)
	for n := uint64(10); n < 1000; n += 10 {
		tr.miss(Run{n, n})
		tr.came(n)
	}
	if table.runs != 0 || len(tr.missing) != 0 {
		t.Errorf("%d runs counted, %d there", table.runs, len(tr.missing))
	}
	tr.miss(Run{2000, 2010})
	tr.came(2005)
	if table.runs != 2 || len(tr.missing) != 2 {
		t.Errorf("%d runs counted, %d there", table.runs, len(tr.missing))
	}
}
