package source

import "testing"

// Text is the name of a class, or its number where no class is called otherwise.
func TestLabelsNamed(t *testing.T) {
	for _, tt := range []struct {
		classes []string
		text    string
		want    int64 // -1 an error
	}{
		{[]string{"cat", "dog"}, "dog", 1},
		{[]string{"cat", "dog"}, "1", 1},
		{[]string{"cat", "dog"}, "2", -1},
		{[]string{"cat", "dog"}, "cow", -1},
		{[]string{"0", "1", "dog"}, "1", 1},
		{[]string{"0", "1", "dog"}, "2", 2},
		{[]string{"1", "2", "10"}, "1", 0},
		{[]string{"1", "2", "10"}, "10", 2},
		{[]string{"1", "2", "10"}, "0", -1}, // or it would be the class that is called 1
		{[]string{"-1", "dog"}, "1", -1},
	} {
		l, err := labelsOf(tt.classes)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.named(tt.text); err == nil && got != tt.want || err != nil && tt.want >= 0 {
			t.Errorf("%q of the classes %q: got %v, %v; want %d", tt.text, tt.classes, got, err, tt.want)
		}
	}
	if got, err := labels(nil).named("7"); got != int64(7) || err != nil {
		t.Errorf("without classes: got %v, %v; want 7", got, err)
	}
}

// The URLs of a web server's images keep a signature, and names stay names.
func TestInStore(t *testing.T) {
	for _, tt := range [][3]string{
		{"s3://b/photos", "a b#1.jpg", "s3://b/photos/a b#1.jpg"},
		{"s3://b/photos/", "d/1.jpg", "s3://b/photos/d/1.jpg"},
		{"https://h/photos/?sig=a/b", "d/a b#1?.jpg", "https://h/photos/d/a%20b%231%3F.jpg?sig=a/b"},
		{"http://h", "100%.jpg", "http://h/100%25.jpg"},
	} {
		if got := inStore(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%q in %q: got %q, want %q", tt[1], tt[0], got, tt[2])
		}
	}
}
