package main

import (
	"reflect"
	"testing"
)

// TestGrammar checks that each kind of source has its flags, and is a command that
// packs and one that plans.
func TestGrammar(t *testing.T) {
	var g grammar
	for name, list := range map[string]reflect.Value{"pack": reflect.ValueOf(&g.kinds).Elem(), "plan": reflect.ValueOf(&g.Plan.kinds).Elem()} {
		for i := range list.NumField() {
			c := list.Field(i).Addr().Interface()
			if k, ok := c.(interface{ from() sourceFlags }); !ok || k.from().flags() == nil {
				t.Errorf("%s %s has no recipeFlags", name, list.Type().Field(i).Name)
			}
			if _, ok := reflect.ValueOf(c).Elem().FieldByName("Mode").Addr().Interface().(mode); !ok {
				t.Errorf("%s %s does nothing", name, list.Type().Field(i).Name)
			}
		}
	}
}
