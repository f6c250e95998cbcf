package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3's limits on the parts of an object.
const (
	minPart  = 5 << 20 // but for the last one
	maxCopy  = 5 << 30
	maxParts = 10_000
)

// slowest is the pace in bytes a second that a server is trusted to copy and join
// parts with by itself: it says nothing meanwhile.
const slowest = 8 << 20

// nonceName is the entry of an object's metadata by which an upload knows its own
// again.
const nonceName = "betongo-upload"

// multipart is an object of S3 that is being written, in parts or at once.
type multipart struct {
	s     *bucket
	place place
	w     WriteOptions
	nonce string
	id    *string     // of the upload in parts; nil before it began
	cut   atomic.Bool // a request with a part was cut short
}

func newMultipart(s *bucket, p place, w WriteOptions) (*multipart, error) {
	if !plainKey(p.key) {
		return nil, fmt.Errorf("key %q: control characters and \"../\" can't be written", p.key)
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	return &multipart{s: s, place: p, w: w, nonce: hex.EncodeToString(nonce[:])}, nil
}

// condition is what the store shall look at when the object appears.
func (m *multipart) condition() *string {
	if m.w.Overwrite {
		return nil
	}
	return aws.String("*")
}

// send makes a request, again and again if need be. pace is how many bytes the
// server has to copy before it answers. do calls alive when something has moved.
func (m *multipart) send(ctx context.Context, pace int64, do func(ctx context.Context, alive func()) error) error {
	limit := m.limit(pace)
	return retry(ctx, m.s.opts, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var stalled atomic.Bool
		timer := time.AfterFunc(limit, func() { stalled.Store(true); cancel() })
		defer timer.Stop()
		err := do(ctx, func() { timer.Reset(limit) })
		if err == nil {
			return nil
		}
		if stalled.Load() {
			return fmt.Errorf("%w for %v", errStalled, limit)
		}
		return m.s.failure(err)
	})
}

// limit is how long a server may take that has so many bytes to copy.
func (m *multipart) limit(pace int64) time.Duration {
	return m.s.opts.Timeout + time.Duration(pace/slowest)*time.Second
}

// lively is a request's body that tells when some of it was taken.
type lively struct {
	*bytes.Reader
	alive func()
}

func (l lively) Read(b []byte) (int, error) {
	l.alive()
	return l.Reader.Read(b)
}

// put writes the object at once.
func (m *multipart) put(ctx context.Context, b []byte) error {
	unsure := false // an earlier request may have been heard
	return m.send(ctx, 0, func(ctx context.Context, alive func()) error {
		_, err := m.s.s3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &m.place.bucket, Key: &m.place.key, IfNoneMatch: m.condition(), Body: lively{bytes.NewReader(b), alive},
			ContentLength: aws.Int64(int64(len(b))), ContentType: &m.w.ContentType, Metadata: map[string]string{nonceName: m.nonce},
		})
		return m.settle(ctx, err, &unsure)
	})
}

// settle looks, when the store says that an object is there already and an answer
// was lost before, whether it is ours.
func (m *multipart) settle(ctx context.Context, err error, unsure *bool) error {
	if err == nil {
		return nil
	}
	said := m.s.failure(err)
	if *unsure && !passes(said) {
		head, e := m.s.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &m.place.bucket, Key: &m.place.key})
		switch {
		case e == nil && head.Metadata[nonceName] == m.nonce:
			return nil
		case e != nil && passes(m.s.failure(e)):
			return e // asked again
		}
	}
	*unsure = *unsure || passes(said)
	return err
}

// begin begins an upload in parts. Where its answer is lost an upload without parts
// stays behind, which nobody here knows the name of.
func (m *multipart) begin(ctx context.Context) error {
	err := m.send(ctx, 0, func(ctx context.Context, alive func()) error {
		// Not cut short: what has begun can only be given up by its name.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.s.opts.Timeout)
		defer cancel()
		out, err := m.s.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &m.place.bucket, Key: &m.place.key, ContentType: &m.w.ContentType, Metadata: map[string]string{nonceName: m.nonce},
		})
		if err == nil {
			m.id = out.UploadId
		}
		return err
	})
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(err, m.abort(ctx))
	}
	return nil
}

// part sends a part, from 1 on.
func (m *multipart) part(ctx context.Context, n int32, b []byte) (done types.CompletedPart, err error) {
	err = m.send(ctx, 0, func(ctx context.Context, alive func()) error {
		out, err := m.s.s3.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &m.place.bucket, Key: &m.place.key, UploadId: m.id, PartNumber: &n,
			Body: lively{bytes.NewReader(b), alive}, ContentLength: aws.Int64(int64(len(b))),
		})
		if err == nil {
			done = types.CompletedPart{ETag: out.ETag, PartNumber: &n}
		}
		return err
	})
	if err != nil {
		m.cut.Store(true)
	}
	return done, err
}

// copy has the server make a part of a run of another object's bytes.
func (m *multipart) copy(ctx context.Context, n int32, from *source, off, size int64) (done types.CompletedPart, err error) {
	span := "bytes=" + strconv.FormatInt(off, 10) + "-" + strconv.FormatInt(off+size-1, 10)
	err = m.send(ctx, size, func(ctx context.Context, alive func()) error {
		// Not cut short: the server would go on, and could finish the part behind abort.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limit(size))
		defer cancel()
		out, err := m.s.s3.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &m.place.bucket, Key: &m.place.key, UploadId: m.id, PartNumber: &n,
			CopySource: aws.String(copySource(from.place)), CopySourceRange: &span, CopySourceIfMatch: aws.String(from.attrs.etag),
		})
		if err == nil && out.CopyPartResult == nil {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			done = types.CompletedPart{ETag: out.CopyPartResult.ETag, PartNumber: &n}
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("copying %s, bytes %d to %d: %w", from.place, off, off+size, err)
	}
	return done, err
}

// copySource is how a request's head names an object.
func copySource(p place) string {
	words := strings.Split(p.key, "/")
	for i, w := range words {
		words[i] = strings.ReplaceAll(url.PathEscape(w), "+", "%2B")
	}
	return p.bucket + "/" + strings.Join(words, "/")
}

// complete has the object appear.
func (m *multipart) complete(ctx context.Context, parts []types.CompletedPart, size int64) error {
	unsure := false
	return m.send(ctx, size, func(ctx context.Context, alive func()) error {
		// Not cut short: nobody would know what came of it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limit(size))
		defer cancel()
		_, err := m.s.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &m.place.bucket, Key: &m.place.key, UploadId: m.id, IfNoneMatch: m.condition(),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		return m.settle(ctx, err, &unsure)
	})
}

// abort has the store forget the parts, also when ctx has ended, but not for long:
// who gives up doesn't wait for a store that is gone. A part whose
// request was cut short may come to be behind it: it looks, and does it again.
func (m *multipart) abort(ctx context.Context) error {
	if m.id == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(2*m.s.opts.Timeout, 10*time.Second))
	defer cancel()
	err := errors.New("they are there again and again")
	for pause := 20 * time.Millisecond; pause < 5*time.Second; pause *= 2 {
		gone := false
		e := m.send(ctx, 0, func(ctx context.Context, alive func()) error {
			_, err := m.s.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &m.place.bucket, Key: &m.place.key, UploadId: m.id})
			if err == nil {
				_, err = m.s.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: &m.place.bucket, Key: &m.place.key, UploadId: m.id})
			}
			if _, text := m.s.code(err); err != nil && text == "NoSuchUpload" {
				gone, err = true, nil
			}
			return err
		})
		if gone && !m.cut.Swap(false) {
			return nil
		}
		if e != nil {
			err = e
			break
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("giving the parts up, which the store may keep: %w", err)
}

// exists is what a writer's failed condition means.
func exists(err error) error {
	if errors.Is(err, ErrChanged) {
		return ErrExist
	}
	return err
}
