package source

import (
	"context"
	"net/url"
	"strconv"
	"strings"
)

// Store is where the files of a source lie when that is not the local disk: an
// object store. Names are URLs, which have "://" in them. It is safe for concurrent
// use.
type Store interface {
	// List calls yield with each object below a folder, a URL that ends in '/', in
	// the byte order of their names: the name relative to the folder, and the size.
	// Unless deep is set only those directly in the folder, and the folders
	// in it, by names that end in '/', of size -1.
	List(ctx context.Context, folder string, deep bool, yield func(name string, size int64) error) error

	// Read returns the first n bytes of an object, all if it has fewer. The slice is
	// the caller's.
	Read(ctx context.Context, name string, n int64) ([]byte, error)

	// Size returns an object's size. An object that isn't there is fs.ErrNotExist.
	Size(ctx context.Context, name string) (int64, error)

	// Open opens an object to read parts of it. All of them are of the version that
	// was there then: of one that is replaced meanwhile reading fails. ctx is for the
	// opening alone. Close ends reads in progress.
	Open(ctx context.Context, name string) (Blob, error)
}

// far says whether a name is that of something in a Store.
func far(name string) bool { return strings.Contains(name, "://") }

// web says whether a name is that of a web server's file, whose URL may have a
// query, user and password.
func web(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// bare is the URL of an object without what somebody has written before an '@' where a
// bucket stands: a password, which is no part of such a URL. One with a '/' in it
// ends the bucket, in which there is a ':' then as in none but an ARN.
func bare(name string) string {
	scheme, rest, ok := strings.Cut(name, "://")
	bucket, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(bucket, '@')
	if at < 0 && strings.Contains(bucket, ":") && !strings.HasPrefix(bucket, "arn:") {
		at = strings.LastIndexByte(rest, '@')
	}
	if ok && at >= 0 {
		return scheme + "://" + rest[at+1:]
	}
	return name
}

// shown is a name as messages, and names of samples, have it: of a URL without what
// may be secret.
func shown(name string) string {
	if !web(name) {
		return bare(name)
	}
	u, err := url.Parse(name)
	if err != nil {
		scheme, _, _ := strings.Cut(name, ":")
		return scheme + "://…" // whatever else it holds
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// maxObject bounds the object that is read for one value: those of image files
// have this bound on the local disk too.
const maxObject = 4 << 30

// listStore adds the images of a class in a store, sorted, and returns how many there
// are. With each name stands its size.
func (l *lister) listStore(ctx context.Context, s Store, dir, class string) (int, error) {
	l.class = class
	n := l.files.Len()
	hiddenDir := "\x00" // the last one that was reported, no name's beginning
	folder := strings.TrimSuffix(dir, "/") + "/" + class + "/"
	err := s.List(ctx, folder, true, func(name string, size int64) error {
		if strings.HasPrefix(name, hiddenDir) || name == "" || strings.HasSuffix(name, "/") {
			return nil // an object that stands for a folder is none of its files
		}
		if at := hiddenPart(name); at >= 0 {
			end := strings.IndexByte(name[at:], '/')
			if end < 0 {
				l.skip(name, reasonHidden)
				return nil
			}
			hiddenDir = name[:at+end+1]
			l.skip(name[:at+end], reasonHidden)
			return nil
		}
		if !imageExtension(name) {
			head, err := s.Read(ctx, folder+name, sniffSize)
			if err != nil {
				return err
			}
			if why := notImageHead(head); why != "" {
				l.skip(name, why)
				return nil
			}
		}
		l.files.Append(name, sized(size))
		return l.files.Err()
	})
	return l.files.Len() - n, err
}

// hiddenPart returns where the first part of a name begins that is hidden, -1 for
// none.
func hiddenPart(name string) int {
	if hidden(name) {
		return 0
	}
	if i := strings.Index(name, "/."); i >= 0 {
		return i + 1
	}
	return -1
}

// sized is what stands behind an object's name in a list, with its size. No name
// has such a byte: a file that is called so is none in a dataset either.
func sized(size int64) string { return "\x00" + strconv.FormatInt(size, 10) }

// cutSize takes a name of a list apart; -1 where it has no size.
func cutSize(text string) (name string, size int64) {
	i := strings.LastIndexByte(text, 0)
	if i < 0 {
		return text, -1
	}
	size, err := strconv.ParseInt(text[i+1:], 10, 64)
	if err != nil {
		return text, -1
	}
	return text[:i], size
}
