package remote

import (
	"context"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// The stores' libraries try again by themselves, with pauses of a second and more.
// Where retry does, they must not; what is written by them in parts only they can
// send again.

// once has Azure's library make a request once. Google's is told so when a bucket is
// opened, S3's too.
func once(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
}

// again has Azure's library try again as retry does.
func again(ctx context.Context, o Options) context.Context {
	n := int32(o.Retries)
	if n == 0 {
		n = -1
	}
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: n, RetryDelay: firstPause, MaxRetryDelay: maxPause})
}

// persist has Google's library try as often for what is written, with its own
// pauses. An object that comes twice is the same one.
func persist(as func(any) bool, o Options) {
	var g **storage.ObjectHandle
	if as(&g) {
		*g = (*g).Retryer(storage.WithPolicy(storage.RetryAlways), storage.WithMaxAttempts(o.Retries+1))
	}
}
