package alg

// maxCells bounds the table that an alignment fills: 512 lines beside 512 lines. A message with more of them that differ
// is no message that anybody sends; it is aligned in order instead.
const maxCells = 512 * 512

// maxStraight bounds how many elements are looked at for other partners, each among all.
const maxStraight = 128

// walk lays two lists beside each other so that the scores of the partners add up to the most, and calls pair for every
// two partners in order, at the end with the two lengths. Elements with score 0 are never partners. Equal heads and tails
// are partners without looking further, since nearly all of two versions of a message is equal; and so are those between them,
// where there are as many in either list and each has its counterpart, which alone may be its partner or is equal.
func walk(n, m int, same func(i, j int) bool, score func(i, j int) int, alone func(i, j int) bool, pair func(i, j int)) {
	head := 0
	for head < n && head < m && same(head, head) {
		pair(head, head)
		head++
	}
	tail := 0
	for tail < n-head && tail < m-head && same(n-1-tail, m-1-tail) {
		tail++
	}
	straight := n == m && n-head-tail <= maxStraight
	for i := head; straight && i < n-tail; i++ {
		straight = same(i, i) || alone(i, i)
	}
	if straight {
		for i := head; i < n-tail; i++ {
			pair(i, i)
		}
	} else {
		middle(head, n-tail, head, m-tail, score, pair)
	}
	for k := tail; k > 0; k-- {
		pair(n-k, m-k)
	}
	pair(n, m)
}

func middle(a, aEnd, b, bEnd int, score func(i, j int) int, pair func(i, j int)) {
	rows, cols := aEnd-a, bEnd-b
	if rows == 0 || cols == 0 {
		return
	}
	if rows > maxCells/cols {
		inOrder(a, aEnd, b, bEnd, score, pair)
		return
	}
	// best[i][j] is the best sum for what follows i and j.
	best := make([]int, (rows+1)*(cols+1))
	at := func(i, j int) *int { return &best[i*(cols+1)+j] }
	scores := make([]int, rows*cols)
	for i := rows - 1; i >= 0; i-- {
		for j := cols - 1; j >= 0; j-- {
			v := max(*at(i+1, j), *at(i, j+1))
			if s := score(a+i, b+j); s > 0 {
				scores[i*cols+j] = s
				v = max(v, s+*at(i+1, j+1))
			}
			*at(i, j) = v
		}
	}
	for i, j := 0, 0; i < rows && j < cols; {
		switch s := scores[i*cols+j]; {
		case s > 0 && *at(i, j) == s+*at(i+1, j+1):
			pair(a+i, b+j)
			i++
			j++
		case *at(i, j) == *at(i+1, j):
			i++
		default:
			j++
		}
	}
}

// inOrder pairs every element with the next one that may be its partner, looking ahead a bounded way.
func inOrder(a, aEnd, b, bEnd int, score func(i, j int) int, pair func(i, j int)) {
	const ahead = 64
	for i, j := a, b; i < aEnd && j < bEnd; i++ {
		for k := j; k < min(bEnd, j+ahead); k++ {
			if score(i, k) > 0 {
				pair(i, k)
				j = k + 1
				break
			}
		}
	}
}
