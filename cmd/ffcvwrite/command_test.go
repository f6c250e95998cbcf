package main

import (
	"reflect"
	"testing"
)

// TestGrammar checks that each kind of source has its flags, and can be planned.
func TestGrammar(t *testing.T) {
	kinds := func(grammar reflect.Value) map[string]reflect.Type {
		found := map[string]reflect.Type{}
		for i := range grammar.NumField() {
			if c, ok := grammar.Field(i).Addr().Interface().(interface{ from() sourceFlags }); ok {
				if c.from().flags() == nil {
					t.Errorf("%s has no recipeFlags", grammar.Type().Field(i).Name)
				}
				found[grammar.Type().Field(i).Name] = reflect.TypeOf(c.from())
			}
		}
		return found
	}
	var g grammar
	got, want := kinds(reflect.ValueOf(&g.Plan).Elem()), kinds(reflect.ValueOf(&g).Elem())
	if len(want) < 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("plan has the kinds %v; packing has %v", got, want)
	}
}
