package sdp

import "bytes"

// origin names <username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address> (RFC 8866 5.2). A user name has no
// spaces, but some write the name of their product there, so the five fields at the end count. With fewer than six fields
// none can be told from another, and the value is one leaf.
func (s *scanner) origin(m []byte, i int) {
	var off, end [5]int
	j := len(m)
	for k := len(off) - 1; k >= 0; k-- {
		end[k] = trimSpace(m, i, j)
		off[k] = fieldStart(m, i, end[k])
		j = off[k]
	}
	user, userEnd := skipSpace(m, i), trimSpace(m, i, j)
	if user >= userEnd {
		s.whole(m, i)
		return
	}
	s.add(PartUsername, user, userEnd)
	for k, p := range [...]Part{PartSessionID, PartVersion, PartNettype, PartAddrtype, PartAddress} {
		s.add(p, off[k], end[k])
	}
}

// connection names <nettype> <addrtype> <connection-address> (RFC 8866 5.7). With fewer than three fields the value is one
// leaf.
func (s *scanner) connection(m []byte, i int) {
	net := skipSpace(m, i)
	netEnd := fieldEnd(m, net)
	typ := skipSpace(m, netEnd)
	typEnd := fieldEnd(m, typ)
	addr := skipSpace(m, typEnd)
	if addr == len(m) {
		s.whole(m, i)
		return
	}
	s.add(PartNettype, net, netEnd)
	s.add(PartAddrtype, typ, typEnd)
	s.rest(m, s.slashed(PartAddress, PartTTL, m, addr))
}

// media names <media> <port>[/<number of ports>] <proto> <fmt> ... (RFC 8866 5.14), as many of them as there are.
func (s *scanner) media(m []byte, i int) {
	i = skipSpace(m, i)
	j := fieldEnd(m, i)
	s.add(PartMediaType, i, j)
	j = s.slashed(PartPort, PartPorts, m, skipSpace(m, j))
	i = skipSpace(m, j)
	j = fieldEnd(m, i)
	s.add(PartProto, i, j)
	s.add(PartFmt, skipSpace(m, j), trimSpace(m, j, len(m)))
}

// slashed names the field at i, and what follows the first slash in it by a leaf of its own, and returns where it ends.
func (s *scanner) slashed(before, after Part, m []byte, i int) int {
	end := fieldEnd(m, i)
	slash := end
	if k := bytes.IndexByte(m[i:end], '/'); k >= 0 {
		slash = i + k
	}
	s.add(before, i, slash)
	s.add(after, slash+1, end)
	return end
}

// whole makes one leaf of a value that does not have the fields it should have.
func (s *scanner) whole(m []byte, i int) { s.add(PartValue, i, len(m)) }

// rest makes a leaf of what follows the last field.
func (s *scanner) rest(m []byte, i int) {
	s.add(PartValue, skipSpace(m, i), trimSpace(m, i, len(m)))
}

// Fields are separated by SP; HT, and more than one of either, are accepted.
func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func skipSpace(m []byte, i int) int {
	for i < len(m) && isSpace(m[i]) {
		i++
	}
	return i
}

func fieldEnd(m []byte, i int) int {
	for i < len(m) && !isSpace(m[i]) {
		i++
	}
	return i
}

func trimSpace(m []byte, i, end int) int {
	for end > i && isSpace(m[end-1]) {
		end--
	}
	return end
}

func fieldStart(m []byte, i, end int) int {
	for end > i && !isSpace(m[end-1]) {
		end--
	}
	return end
}
