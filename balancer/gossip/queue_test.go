package gossip

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// floodOf returns digest seq of a host.
func floodOf(id policy.HostID, seq uint32) flood {
	return flood{host: keyOf(id), record: digest{host: keyOf(id), seq: seq}.append(nil), born: noon}
}

// contents reads a batch back as host:seq.
func contents(t interface{ Fatal(...any) }, batch []byte) []string {
	var got []string
	names := make(map[hostKey]int)
	for i := range 50 {
		names[keyOf(policy.HostID(fmt.Sprint(i)))] = i
	}
	if why, ok := readBatch(batch, func(record []byte) {
		d, err := decodeDigest(record)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d:%d", names[d.host], d.seq))
	}); !ok {
		t.Fatal("batch cannot be read:", why)
	}
	return got
}

// The queue against a model: each digest goes out exactly sendsMin times unless
// a newer one of its host replaces it, no batch is longer than its limit, no
// host is twice in one, and memory stays bounded.
func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		type waiting struct {
			seq  uint32
			left int
		}
		model := make(map[int]*waiting)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				i := rapid.IntRange(0, 49).Draw(t, "host")
				seq := uint32(1)
				if w := model[i]; w != nil {
					seq = w.seq + 1
				}
				model[i] = &waiting{seq: seq, left: sendsMin}
				q.put(floodOf(policy.HostID(fmt.Sprint(i)), seq))
			},
			"take": func(t *rapid.T) {
				limit := rapid.IntRange(0, 400).Draw(t, "limit")
				batch := q.take(limit, noon, sendsMin)
				if len(batch) > limit {
					t.Fatalf("%d bytes, limit %d", len(batch), limit)
				}
				if batch == nil {
					if limit > batchHeader+recordOverhead+DigestMax && q.len() > 0 {
						t.Fatal("nothing was sent though something waits")
					}
					return
				}
				seen := make(map[int]bool)
				most, least := 0, sendsMin+1
				for _, text := range contents(t, batch) {
					var i int
					var seq uint32
					if _, err := fmt.Sscanf(text, "%d:%d", &i, &seq); err != nil {
						t.Fatal(err)
					}
					w := model[i]
					if w == nil || w.left == 0 || w.seq != seq || seen[i] {
						t.Fatalf("sent %s, the model says %+v, in this batch before: %v", text, w, seen[i])
					}
					seen[i] = true
					if w.left > least {
						t.Fatalf("%s was sent less often than one before it", text)
					}
					most, least = max(most, w.left), min(least, w.left)
					w.left--
				}
			},
			"": func(t *rapid.T) {
				want := 0
				for _, w := range model {
					if w.left > 0 {
						want++
					}
				}
				if q.len() != want {
					t.Fatalf("%d wait, want %d", q.len(), want)
				}
				entries := 0
				for _, tier := range q.tiers {
					entries += len(tier)
				}
				if entries != want+q.stale || q.stale > 65+want {
					t.Fatalf("%d entries of which %d stale, for %d that wait", entries, q.stale, want)
				}
			},
		})
	})
}

func TestSends(t *testing.T) {
	for _, tt := range []struct{ hosts, want int }{{1, 8}, {3, 8}, {100, 8}, {170, 7}, {200, 6}, {300, 6}, {3000, 6}} {
		if got := sends(tt.hosts, interval(2*time.Second, tt.hosts)); got != tt.want {
			t.Errorf("%d hosts: %d sends, want %d", tt.hosts, got, tt.want)
		}
	}
}

// A fleet that grows sends less often: what was sent often enough is done with.
func TestFewerSendsThanBefore(t *testing.T) {
	var q queue
	q.put(floodOf("1", 1))
	for range sendsMax - 1 {
		if q.take(1000, noon, sendsMax) == nil {
			t.Fatal("done too early")
		}
	}
	if q.take(1000, noon, sendsMin) == nil || q.len() != 0 {
		t.Errorf("%d wait after the last send", q.len())
	}
}

func TestTheLastToComeGoFirst(t *testing.T) {
	var q queue
	for i := range 10 {
		q.put(floodOf(policy.HostID(fmt.Sprint(i)), 1))
	}
	room := batchHeader + 3*(recordOverhead+len(floodOf("0", 1).record))
	for _, want := range []string{"[9:1 8:1 7:1]", "[6:1 5:1 4:1]", "[3:1 2:1 1:1]", "[0:1 3:1 2:1]"} {
		if got := fmt.Sprint(contents(t, q.take(room, noon, sendsMin))); got != want {
			t.Errorf("took %s, want %s", got, want)
		}
	}
}

func TestWaitingAddsUp(t *testing.T) {
	var here, there queue
	table := tableOf(t)
	read := func(batch []byte) (d digest) {
		t.Helper()
		if _, ok := readBatch(batch, func(record []byte) { d, _ = decodeDigest(record) }); !ok {
			t.Fatal("batch cannot be read")
		}
		return d
	}
	f := flood{host: keyOf("b"), record: digest{host: keyOf("b"), epoch: 7, seq: 1}.append(nil), born: noon}
	here.put(f)
	first := here.take(1000, noon.Add(700*time.Millisecond), sendsMin)
	if d := read(first); d.age != 700*time.Millisecond {
		t.Errorf("age after waiting at the sender: %s", d.age)
	}
	// The relay's clock is an hour off: it does not matter.
	arrival := noon.Add(time.Hour)
	readBatch(first, func(record []byte) {
		news, why, ok := table.accept(record, arrival)
		if !ok {
			t.Fatal(why)
		}
		there.put(news)
	})
	if d := read(there.take(1000, arrival.Add(500*time.Millisecond), sendsMin)); d.age != 1200*time.Millisecond {
		t.Errorf("age after waiting at the sender and at the relay: %s, want 1.2s", d.age)
	}
	if d := read(there.take(1000, arrival.Add(time.Hour), sendsMin)); d.age != 65535*time.Millisecond {
		t.Errorf("age after an hour: %s, want the most that fits", d.age)
	}
}
