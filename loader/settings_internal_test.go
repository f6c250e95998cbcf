package loader

import (
	"strings"
	"testing"

	"github.com/betongo/betongo/transform"
)

// chosen has settings of all kinds.
type chosen struct {
	Flag   bool
	Count  int8
	Rate   float32
	Name   string
	List   []int
	Pair   [2]uint8
	Table  map[string]int
	Next   *chosen
	Any    any
	Do     func()
	hidden int
}

func TestSettings(t *testing.T) {
	deep := &chosen{}
	deep.Next = deep // no end
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "nil"},
		{chosen{}, "loader.chosen{}"},
		{&chosen{hidden: 3}, "loader.chosen{}"},
		{chosen{Flag: true, Count: -3, Rate: 0.5, Name: "a b"}, `loader.chosen{Flag:true Count:-3 Rate:0.5 Name:"a b"}`},
		{chosen{List: []int{1, 2}, Pair: [2]uint8{0, 4}}, "loader.chosen{List:[1 2] Pair:[0 4]}"},
		{chosen{Table: map[string]int{"b": 1, "a": 2}}, `loader.chosen{Table:["a":2 "b":1]}`},
		{chosen{Next: &chosen{Count: 1}}, "loader.chosen{Next:{Count:1}}"},
		{chosen{Any: chosen{Count: 2}}, "loader.chosen{Any:loader.chosen{Count:2}}"},
		{chosen{Do: func() {}}, "loader.chosen{Do:func()}"},
		{transform.RandomResizedCrop{Width: 224, Height: 192}, "transform.RandomResizedCrop{Width:224 Height:192}"},
		{Raw{}, "loader.Raw{}"},
	} {
		if got := settings(c.v); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got := settings(deep); !strings.Contains(got, "…") {
		t.Errorf("settings without end: %s", got)
	}
	long, other := chosen{List: make([]int, 1000)}, chosen{List: make([]int, 1000)}
	other.List[500] = 1
	if a, b := settings(long), settings(other); a == b || len(a) > 80 {
		t.Errorf("long lists: %s and %s", a, b)
	}
}
