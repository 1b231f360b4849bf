package h323

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nofixup/h323/per"
)

// generator writes random encodings of a type of the schema, which are valid if the schema is right: tshark, which has the
// schema from ITU, is the judge.
type generator struct {
	*rand.Rand
	*per.Writer
	depth int
	alien bool // additions and alternatives that no schema knows as well
}

// skips says whether the item is beyond the generator, or beyond tshark: what is left of a message, signed tokens and H.450.1.
func (g *generator) skips(it item) bool {
	switch {
	case it.t == nil || it.t == &tRest || it.t == &tNumbered || it.t == &tOfChannel:
		return true
	case g.alien:
		return false
	case it.t == &tSigned || it.f == FieldH4501SupplementaryService:
		return true
	}
	return it.t.kind == kindSequence && slices.ContainsFunc(it.t.root, func(it item) bool { return it.t == &tSigned })
}

func (g *generator) value(n *node) {
	g.depth++
	defer func() { g.depth-- }()
	switch n.kind {
	case kindOpen: // the tokens have it for a token
		at := g.Open()
		g.value(&tClearToken)
		g.Close(at)
	case kindBool:
		g.Bool(g.IntN(2) == 1)
	case kindNumber:
		if n.ext {
			g.Bool(false)
		}
		if n.size == 16384 { // tshark knows the lower ones, and what their features contain
			g.Writer.Int(16000, 0, 16383)
			return
		}
		v := g.Uint64N(n.size)
		if g.IntN(2) == 0 {
			v %= 256
		}
		g.Writer.Int(v, 0, n.size-1)
	case kindInteger:
		g.String(g.bytes(1 + g.IntN(4))...)
	case kindEnum:
		g.Bool(false)
		g.Writer.Int(g.Uint64N(n.size), 0, n.size-1)
	case kindNulls:
		if n.ext {
			g.Bool(false)
		}
		g.Writer.Int(g.Uint64N(n.size), 0, n.size-1)
	case kindObject:
		g.String(0x2a, 3, byte(g.IntN(128)))
	case kindBits, kindOctets, kindString:
		g.string(n)
	case kindSequence:
		g.sequence(n)
	case kindList:
		count := g.size(n.lo, n.hi, 1+6/g.depth)
		for range count {
			g.value(n.of)
		}
	case kindChoice:
		g.choice(n)
	case kindContents:
		at := g.Open()
		g.value(n.of)
		g.Close(at)
	case kindControl:
		g.value(&tControl)
	case kindGeneric:
		g.value(&tInnerGeneric)
	case kindParam:
		g.value(&tParam)
	}
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

// size writes how many there are of something and returns it.
func (g *generator) size(lo, hi, most int) int {
	n := lo + g.IntN(most+1)
	if hi == 0 {
		g.Length(n)
		return n
	}
	n = min(n, hi)
	g.Writer.Int(uint64(n), uint64(lo), uint64(hi))
	return n
}

func (g *generator) string(n *node) {
	unit := map[kind]int{kindBits: 1, kindOctets: 8, kindString: int(n.size)}[n.kind]
	count := g.size(n.lo, n.hi, 5)
	if count > 0 && (n.lo != n.hi || n.hi == 0 || count*unit > 16) {
		g.Align()
	}
	for range count {
		v := g.Uint64()
		switch {
		case n.kind == kindString && unit == 4:
			v %= 10
		case n.kind == kindString:
			v = 'a' + v%26
		}
		g.Bits(v&(1<<unit-1), unit)
	}
}

func (g *generator) sequence(n *node) {
	var present []bool
	for _, it := range n.root {
		present = append(present, it.how&opt == 0 || g.IntN(6+g.depth/4) < 4)
	}
	added := map[int]bool{}
	most := 0
	for i, it := range n.more {
		if !g.skips(it) && g.IntN(4+g.depth/2) < 2 {
			added[i] = true
			most = i + 1
		}
	}
	if g.alien && n.ext && g.IntN(2) == 0 {
		added[len(n.more)+5] = true
		most = len(n.more) + 6
	}
	if n.ext {
		g.Bool(len(added) > 0)
	}
	for i, it := range n.root {
		if it.how&opt != 0 {
			g.Bool(present[i])
		}
	}
	for i, it := range n.root {
		if present[i] {
			g.value(it.t)
		}
	}
	if len(added) == 0 {
		return
	}
	g.Small(most - 1)
	for i := range most {
		g.Bool(added[i])
	}
	for i := range most {
		if !added[i] {
			continue
		}
		at := g.Open()
		if i < len(n.more) {
			g.value(n.more[i].t)
		} else {
			g.Octets(g.bytes(1 + g.IntN(9))...)
		}
		g.Close(at)
	}
}

func (g *generator) choice(n *node) {
	for {
		i := g.IntN(len(n.root) + len(n.more))
		it := item{}
		if i < len(n.root) {
			it = n.root[i]
		} else {
			it = n.more[i-len(n.root)]
		}
		if g.skips(it) {
			continue
		}
		if deep := it.t.kind == kindList || it.t.kind == kindSequence; deep && g.depth > 40 && i > 0 {
			continue
		}
		if n.ext {
			g.Bool(i >= len(n.root))
		}
		if i < len(n.root) {
			g.Writer.Int(uint64(i), 0, uint64(len(n.root)-1))
			g.value(it.t)
			return
		}
		g.Small(i - len(n.root))
		at := g.Open()
		g.value(it.t)
		g.Close(at)
		return
	}
}

// message returns a message of one of three kinds, nil if it became too long.
func (g *generator) message(proto string) []byte {
	g.Writer = per.NewWriter(nil)
	g.depth = 0
	var head []byte
	switch proto {
	case "call":
		g.value(&tUserInformation)
		n := len(g.Buf()) + 1
		head = []byte{3, 0, 0, 0, 8, 2, 0, 1, 0x62, 0x7e, byte(n >> 8), byte(n), 5}
	case "h245":
		g.value(&tControl)
		head = []byte{3, 0, 0, 0}
	default:
		g.value(&tRAS)
	}
	raw := append(head, g.Buf()...)
	if g.Err() != nil || len(raw) > 9000 {
		return nil
	}
	if head != nil {
		binary.BigEndian.PutUint16(raw[2:], uint16(len(raw)))
	}
	return raw
}

// TestRandom walks over random messages of all types, with additions that nobody knows.
func TestRandom(t *testing.T) {
	g := generator{Rand: rand.New(rand.NewPCG(1, 2)), alien: true}
	for i := range 3000 {
		c := captured{proto: []string{"call", "ras", "h245"}[i%3]}
		if c.raw = g.message(c.proto); c.raw == nil {
			continue
		}
		p := c.parse()
		check(t, c.raw, p.Spans)
		for _, e := range p.Notes {
			if e.Msg != tooDeep {
				t.Fatalf("message %d: %v in %x", i, e, c.raw)
			}
		}
	}
}

// TestRandomDissected has tshark find the addresses of random messages of all types. What one misses in the schema, an
// optional component or the size of a number, moves everything after it.
func TestRandomDissected(t *testing.T) {
	g := generator{Rand: rand.New(rand.NewPCG(3, 4))}
	be, le := binary.BigEndian, binary.LittleEndian
	file := le.AppendUint32(nil, 0xa1b2c3d4)
	file = le.AppendUint32(le.AppendUint64(append(file, 2, 0, 4, 0), 0), 1<<18)
	file = le.AppendUint32(file, 101) // begins with IP
	var all []captured
	for len(all) < 1500 {
		c := captured{proto: []string{"call", "ras", "h245"}[len(all)%3], frame: len(all) + 1}
		if c.raw = g.message(c.proto); c.raw == nil {
			continue
		}
		port := map[string]uint16{"call": 1720, "h245": 4000, "ras": 1719}[c.proto]
		packet := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 192, 168, 1, 10, 203, 0, 113, 10}
		packet = be.AppendUint16(be.AppendUint16(packet, uint16(50000+len(all))), port)
		if c.proto == "ras" {
			packet[9] = 17
			packet = append(be.AppendUint16(packet, uint16(8+len(c.raw))), 0, 0)
		} else {
			packet = append(packet, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, 0x18, 0xff, 0xff, 0, 0, 0, 0)
		}
		c.off = len(packet)
		packet = append(packet, c.raw...)
		be.PutUint16(packet[2:], uint16(len(packet)))
		file = le.AppendUint64(file, 0)
		file = le.AppendUint32(le.AppendUint32(file, uint32(len(packet))), uint32(len(packet)))
		file = append(file, packet...)
		all = append(all, c)
	}
	path := filepath.Join(t.TempDir(), "random.pcap")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	places, malformed := tshark(t, path, "-d", "tcp.port==4000,h245")
	wrong, total := 0, 0
	deep := 0 // messages with a path too long to be named
	for _, c := range all {
		var got, want []place
		p := c.parse()
		if slices.ContainsFunc(p.Notes, func(e SyntaxError) bool { return e.Msg == tooDeep }) {
			deep++
			continue
		}
		for _, s := range p.Spans {
			if s.address() {
				got = append(got, place{c.frame, c.off + int(s.Off), int(s.End - s.Off), fmt.Sprintf("%x", s.Bytes(c.raw))})
			}
		}
		for _, p := range places {
			if p.frame == c.frame {
				want = append(want, p)
			}
		}
		total += len(want)
		if bad := slices.Contains(malformed, c.frame); bad || !slices.Equal(got, want) {
			if wrong++; wrong < 4 {
				t.Errorf("frame %d, malformed: %v\n%v, tshark has\n%v\n%s", c.frame, bad, got, want, describe(c))
			}
		}
	}
	if deep > len(all)/100 || total < len(all) {
		t.Errorf("%d paths were too long", deep)
	}
	t.Logf("%d messages with %d parts of addresses, %d wrong, %d too deep", len(all), total, wrong, deep)
}
