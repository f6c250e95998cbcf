// Package build makes datasets: one at a time from a recipe (Write), or by any
// number of machines that know nothing of each other, in three steps. NewPlan
// looks at the source once and fixes which samples are in which shard. BuildShard
// builds one of them: on any machine that reaches the source, in any order, as
// often as one likes, also twice at the same time; the bytes are the same. Merge
// checks that all are there, and makes an index of them, or one file, whose bytes
// depend on the plan and the source alone.
//
// Sources, plans, shards and what is merged lie on the local disk, on a file
// system that machines share, or in object stores.
package build
