package loader

import "github.com/betongo/betongo/array"

// Options configure a Loader. The zero value of every field is its default.
type Options struct {
	// BatchSize is the number of samples in a batch; 0 means 256.
	BatchSize int
	// Workers is the number of goroutines that fill batches; 0 means GOMAXPROCS.
	// It changes no batch.
	Workers int
	// Order is Sequential (also nil), Random, QuasiRandom, Keyed, PageShuffle,
	// BlockShuffle, Weighted, ClassBalanced, Repeated or a user's own.
	Order Order
	// Seed is where orders and augmentations begin. The same seed gives the
	// same epochs.
	Seed uint64
	// Indices selects samples: position i of the order is sample Indices[i]. A
	// sample may come more than once. nil means all; the slice is copied.
	Indices []int
	// Filter keeps the selected samples for which it returns true. New calls it
	// once for each, in order, from one goroutine; an error ends New.
	Filter func(s *Sample) (bool, error)
	// DropLast leaves out a last batch that is not full. By default it comes,
	// short. A batch larger than the dataset is then an error of New.
	DropLast bool
	// BatchesAhead is how many batches are prepared while one is used; 0 means
	// 3, or 2 where four batches would take more than 128 MiB. The loader holds
	// the memory of about BatchesAhead+1 batches.
	BatchesAhead int
	// Allocator is where the memory of batches comes from; nil means anonymous
	// memory. It changes no batch.
	Allocator Allocator
	// MarksMemory is how many bytes the loader may take to keep checkpoints of
	// JPEGs whose file brings none: they are made when a sample is first loaded,
	// about a hundredth of its size, and let later epochs decode less. A sample
	// past them goes without, which changes no pixel. 0 means 64 MiB; below 0
	// none are made.
	MarksMemory int
	// MarksFile is the path of a side file of checkpoints, for a dataset whose
	// file brings none: with it a later process decodes less from its first
	// epoch on. A file there that belongs to the dataset is mapped and used.
	// The marks that it lacks are made as samples are loaded, and added to it
	// when an epoch has delivered its last batch, or by Close: so a loader of
	// some samples, or a rank, adds those that it sees. It is written aside and
	// renamed; several processes may do so at once. Until then what was made
	// lies in unnamed temporary files beside it, not in memory, and
	// MarksMemory counts for nothing, but below 0 none are made.
	//
	// New fails when there is no such file and none can be made, and refuses to
	// replace what is no side file; one of another dataset, or damaged, is
	// replaced. Later failures cost no batch: Warn is told, every epoch's end
	// tries again, and so does Close, which returns the error. On Windows a side
	// file that is in use is never added to.
	MarksFile string
	// StatsFile is the path of a file that tells other processes how the loader is
	// doing: while an epoch runs a Snapshot, as JSON, is put there about once a second,
	// and at the end of each; New puts the first. It is written aside and renamed, so
	// that who reads it finds a whole one, by a goroutine that the consumer waits for
	// at the end of an epoch alone. Loaders that run at the same time, ranks among
	// them, need a file each.
	//
	// New fails when the file can't be written, and refuses to replace what is no
	// file of statistics. A later failure costs no batch: Warn is told at the end of
	// the epoch.
	StatsFile string
	// Warn is told what a training goes on without, such as a side file that
	// could not be written. It is called by New, or by Epoch when it ends,
	// in the caller's goroutine. nil tells nobody.
	Warn func(msg string)
	// Verify says when samples are compared with the checksums that their files
	// have of them. It changes no batch but what becomes of damaged samples. A
	// dataset without checksums is then an error of New; ffcv seal adds them.
	Verify Verify
	// VerifyFields are further fields to compare when Verify says so, of which no
	// output is made: those whose values a program reads by itself.
	VerifyFields []string
	// Rank and WorldSize share an epoch among WorldSize loaders, as PyTorch's
	// DistributedSampler does: each gets the same number of samples, some twice
	// when they don't divide. WorldSize 0 means 1.
	Rank, WorldSize int
	// ExactlyOnce gives no sample twice where ranks don't divide an epoch: some
	// ranks get one less. All have the same number of batches even so; the last
	// may be shorter for some of them, even empty.
	ExactlyOnce bool
	// MaxPixels bounds the width times height of images that are decoded; a larger
	// one can't be loaded. 0 is the most that is decoded at all, rgb.MaxPixels.
	// The default is wrong where files come from strangers and each of many
	// workers could be made to take a gigabyte.
	MaxPixels int
	// OnError is what becomes of samples that can't be loaded: Fail (also nil),
	// Skip, SubstituteSample or SubstituteValue. What these do depends on the
	// batch's samples alone. Batch.Samples says what is in the rows, Batch.Skipped
	// and Loader.Report what is not. What is not a sample's own ends the epoch
	// in any case: an order, a BatchOp and what comes after one, Collate, a
	// decoder or operation that ends its goroutine.
	OnError Policy
	// MaxFailures is how many samples one after another may fail to load before
	// that ends the epoch, with a TooManyError; 0 means 100, below 0 any number.
	MaxFailures int
	// Quarantine are samples that are not to be touched, by their numbers in the
	// dataset: in an epoch they are treated as those that can't be loaded, those
	// that Fail would end it for as by Skip; Filter isn't asked for them, and leaves
	// them out. See QuarantineFile. The slice is copied.
	Quarantine []int
	// Collate is called with every batch when it is finished, by the worker that
	// was the last, before it is handed out: for what a program makes of whole
	// batches. It may change values and set Batch.Extra, but neither releases
	// nor keeps the batch. Its error ends the epoch. It is called by many
	// goroutines at once, each with a batch of its own.
	Collate func(b *Batch) error
	// Outputs replaces the pipelines of fields and adds further outputs. A
	// field that no Output names comes with its default pipeline. Outputs come
	// in the file's order of fields, further ones after them as they stand here.
	Outputs []Output
	// OutputsAt gives the outputs of each epoch, instead of Outputs: sizes and
	// settings may follow a schedule (progressive resizing). Names, fields and
	// their order stay those of epoch 0, which New asks for. It is called when an
	// epoch begins, by its goroutine. The memory of other sizes is freed.
	OutputsAt func(epoch int) []Output
}

// Output is a named pipeline: a field, how to decode it, and operations on the
// decoded value.
type Output struct {
	// Name is the output's name in a batch. It also names the field unless
	// Field does; several outputs may come from one field.
	Name string
	// Field is the name of the source field; "" means Name.
	Field string
	// Decoder makes the value of one sample: an ImageDecoder (RGB images), a
	// Decoder (any field), or Raw. nil is the field's default.
	Decoder any
	// Follow is the name of an output of pictures whose geometry this one takes
	// over, sample by sample: crop, size, flips, shifts. The Decoder must then be a
	// RasterFollower (transform.Mask, transform.Area), for a field of rasters of
	// the pictures' sizes, or an ArrayFollower (transform.Boxes). What is followed
	// may be Disabled, if only its geometry is wanted; it must not follow another
	// itself, nor mix samples, and those of its operations that move pixels must
	// say where (Mover): of one that does not, and keeps width and height, it is
	// believed that it doesn't.
	Follow string
	// Ops are applied to the value in order: each is an Op or an IndexedOp, for
	// one sample's, or a BatchOp, for all of a batch's. They need an output of
	// one shape: not Bytes, JSON or Raw images. The decoder may do the first of
	// them in its own pass: see Viewer.
	Ops []any
	// Ragged puts rows that differ in length (Bytes, JSON, Raw images) one after
	// another, without padding: Column.Offsets says where each lies.
	Ragged bool
	// Item is the type and shape of what the rows of a Bytes field are made of,
	// such as int32 and no shape for a text's tokens; its zero value is a byte.
	// The output is (B, longest, *shape) of that type, or ragged (items, *shape).
	// A row that isn't whole items is a sample that can't be loaded.
	Item array.Spec
	// Width is how many items a padded row of an output whose rows differ in
	// length has at least: with the most that any value has, all batches are of
	// one width. 0: as many as the longest of the batch.
	Width int
	// Disabled leaves the output out of the batches.
	Disabled bool
}
