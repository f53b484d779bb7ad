// Package tessera is the embedded engine: a [tlog.Log] on Tessera's POSIX driver, one process, one folder of
// C2SP tlog-tiles.
//
//	Append -> Tessera's queue -> entry bundles -> tiles -> .state/treeState   placed and integrated, all fsynced
//	                                              every checkpoint interval:
//	                                              guard signs -> witnesses -> checkpoint file   published
//
// Tessera is fast, and durable to the letter: it writes each file with O_SYNC, renames it, and syncs the
// directory, in an order that a kill cannot spoil. What it leaves to its user is closed here:
//
//   - Two drivers on one folder in one process lose acknowledged entries, because its fcntl locks count per
//     process. Open holds a lock of its own, and the guard's store another.
//   - Over a folder restored from a backup it signs a smaller tree. All its signatures pass a
//     [tlog.Guard], and Open has the guard check the folder before Tessera may touch it.
//   - A publication that failed is only a line in its own log. The guard fails those who wait
//     ([tlog.Publication]), and [Log.Err] tells of a quorum or a disk that is missing.
//   - It publishes nothing while the checkpoint file's time lies in the future, which is what a clock set
//     back leaves. A watcher mends that time.
//   - Add blocks without heeding its context. Append runs it aside, a bounded number at a time.
//   - Its defaults are for other uses (250 ms batches, a checkpoint every 10 s). See [Options].
package tessera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-registry/hallmark/registry/tlog"
)

// now is this package's only clock. It is compared with the times of files.
var now = time.Now

// Defaults of [Options], by measurement: two shared and busy cores, ext4, 300-byte leaves, one leaf an Append,
// from Append to publication. In one run, with 1 / 1,024 / 4,096 calls in flight: 51 ms on an idle log, 6,200/s
// at a median of 156 ms, 15,000/s at 258 ms. Bare Tessera with the same settings is no faster.
const (
	// DefaultBatchMaxSize is four full bundles. A batch costs 6 to 8 synced writes, about 6 ms, whatever its
	// size. Between 256 and 4,096 the rate of publication moves by a fifth; that of appending alone, in
	// calls of 1,000 leaves, is 36,000/s with 1,024.
	DefaultBatchMaxSize = 1024

	// DefaultBatchMaxAge is what a lone entry waits for company. Between 10 and 50 ms the rate is the same, so
	// it is as short as it can be without batches being cut faster than a busy disk takes them.
	DefaultBatchMaxAge = 20 * time.Millisecond

	// DefaultCheckpointInterval is the least that Tessera permits. On an idle log nobody waits for it; under
	// load a publication comes every 120 to 150 ms.
	DefaultCheckpointInterval = 100 * time.Millisecond

	// DefaultRepublishInterval is how often an unchanged tree is signed again: only cosignatures carry a time,
	// and verifiers may ask for a fresh one. It costs one signature.
	DefaultRepublishInterval = 10 * time.Minute

	// DefaultCollectInterval is how often partial tiles that full ones have replaced are removed, 101
	// bundles at a time: 25,000 entries a second. Tessera's own minute would keep up with 431.
	DefaultCollectInterval = time.Second

	// DefaultMaxPending is how many leaves may be on their way into the log before Append says that it is
	// busy: some two seconds' work, which is 10 MB of entries as they mostly are, and 256 MB of the longest
	// that the registry takes.
	DefaultMaxPending = 16384
)

// Options configure Open. A zero value means the default.
type Options struct {
	Dir   string      // the root of the tlog-tiles, made when needed
	Guard *tlog.Guard // signs the checkpoints; its state must exist

	BatchMaxSize       int           // entries written at once
	BatchMaxAge        time.Duration // how long the first entry of a batch waits for others
	CheckpointInterval time.Duration // least time between two checkpoints; at least 100 ms
	RepublishInterval  time.Duration // how often an unchanged tree is signed anew; at least CheckpointInterval
	CollectInterval    time.Duration // how often replaced partial tiles are removed
	MaxPending         int           // leaves under way before Append says busy

	// WitnessPolicy is a C2SP tlog-policy with the witnesses' URLs. Its quorum must cosign a checkpoint
	// before it is published; without the quorum nothing is. Empty means no witnesses.
	WitnessPolicy  []byte
	WitnessTimeout time.Duration // for one round of cosigning; Tessera's default is 5 s

	// Logger gets what Tessera has to say. Nil means silence: what matters reaches the caller as errors. It is
	// one for the whole process: the first Open decides.
	Logger *slog.Logger
}

// Log is the engine. It implements [tlog.Log].
type Log struct {
	tessera.LogReader
	o        Options
	signer   *signer
	appender *tessera.Appender
	shutdown func(context.Context) error
	lock     *tlog.Lock
	cancel   context.CancelFunc // ends Tessera's goroutines and ours
	watcher  sync.WaitGroup     // the goroutine of watchFile

	mu       sync.Mutex
	closed   bool
	pending  int           // leaves on their way
	drained  chan struct{} // closed when closed and pending is 0
	fileErr  error         // what is wrong with the checkpoint file
	closeErr error         // of the first Close
	done     chan struct{} // closed when the first Close has ended
}

// Open opens the log in o.Dir, or begins an empty one there. It returns once the folder has been found to
// agree with the guard, and publishes what the guard has signed and the folder does not show yet.
//
// Errors: [tlog.ErrLocked] when the folder is open already; a *tlog.GuardError when it is older than the
// guard, another tree or another log (then also [tlog.ErrOtherOrigin]); [tlog.ErrNoGuard].
func Open(ctx context.Context, o Options) (_ *Log, err error) {
	o = o.withDefaults()
	quiet(o.Logger)
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Release())
		}
	}()
	if err := checkFolder(ctx, o.Dir, o.Guard); err != nil { // before Tessera may write
		return nil, err
	}
	sign := &signer{Guard: o.Guard}
	settings, err := o.settings(sign)
	if err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: o.Dir})
	if err != nil {
		return nil, fmt.Errorf("opening log folder %s: %w", o.Dir, err)
	}
	// Tessera's goroutines live until Close, not until the caller's context ends.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	appender, shutdown, reader, err := tessera.NewAppender(life, driver, settings)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("opening log folder %s: %w", o.Dir, cmp.Or(o.Guard.Err(), err)) // Tessera keeps the text alone
	}
	l := &Log{
		LogReader: reader, o: o, signer: sign, appender: appender, shutdown: shutdown, lock: lock, cancel: cancel,
		drained: make(chan struct{}), done: make(chan struct{}),
	}
	l.watcher.Go(func() { l.watchFile(life) })
	return l, nil
}

func (o Options) withDefaults() Options {
	setDefault(&o.BatchMaxSize, DefaultBatchMaxSize)
	setDefault(&o.BatchMaxAge, DefaultBatchMaxAge)
	setDefault(&o.CheckpointInterval, DefaultCheckpointInterval)
	setDefault(&o.RepublishInterval, DefaultRepublishInterval)
	setDefault(&o.CollectInterval, DefaultCollectInterval)
	setDefault(&o.MaxPending, DefaultMaxPending)
	setDefault(&o.WitnessTimeout, tessera.DefaultWitnessTimeout)
	return o
}

func setDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

// settings are Tessera's options. There is no antispam: it is best effort, slows the log by a third, and
// the registry refuses duplicates in its index. There is no second signer, because it would not be guarded.
func (o Options) settings(sign note.Signer) (*tessera.AppendOptions, error) {
	settings := tessera.NewAppendOptions().
		WithCheckpointSigner(sign).
		WithBatching(uint(o.BatchMaxSize), o.BatchMaxAge).
		WithCheckpointInterval(o.CheckpointInterval).
		WithCheckpointRepublishInterval(o.RepublishInterval).
		WithGarbageCollectionInterval(o.CollectInterval)
	if len(o.WitnessPolicy) == 0 {
		return settings, nil
	}
	group, err := tessera.NewWitnessGroupFromPolicy(o.WitnessPolicy)
	if err != nil {
		return nil, fmt.Errorf("witness policy: %w", err)
	}
	return settings.WithWitnesses(group, &tessera.WitnessOptions{Timeout: o.WitnessTimeout, FailOpen: false}), nil
}

// Err returns why nothing is published at the moment, or nil: a refusal of the guard, which is for good, or
// something that may mend itself. It never blocks.
func (l *Log) Err() error {
	if err := l.signer.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fileErr
}

// Append implements [tlog.Log]. On this engine what is placed is integrated too.
func (l *Log) Append(ctx context.Context, leaves [][]byte) ([]uint64, error) {
	if err := tlog.CheckLeaves(leaves); err != nil {
		return nil, err
	}
	if len(leaves) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", tlog.ErrUnknown, err)
	}
	if err := l.enter(len(leaves)); err != nil {
		return nil, err
	}
	type outcome struct {
		positions []uint64
		err       error
	}
	// Add blocks while a batch is being written and a future until it is, neither with an eye on ctx. The
	// goroutine ends when Tessera has written the leaves; enter bounds how many there are.
	result := make(chan outcome, 1)
	go func() {
		defer l.leave(len(leaves))
		positions, err := l.add(leaves)
		result <- outcome{positions, err}
	}()
	select {
	case o := <-result:
		return o.positions, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", tlog.ErrUnknown, context.Cause(ctx))
	}
}

// add queues the leaves and waits until they are in the tree. An error of Tessera's leaves it open which of
// the files of a batch were written, and whether the tree took them.
func (l *Log) add(leaves [][]byte) ([]uint64, error) {
	ctx := context.Background() // Tessera uses it for traces and nothing else
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, leaf := range leaves {
		futures[i] = l.appender.Add(ctx, tessera.NewEntry(leaf))
	}
	positions := make([]uint64, len(leaves))
	var failed error
	for i, future := range futures { // all of them, even after an error: leave tells Close that none is left
		index, err := future()
		if err != nil {
			failed = fmt.Errorf("%w: %v", tlog.ErrUnknown, err)
		}
		positions[i] = index.Index
	}
	if failed != nil {
		return nil, failed
	}
	return positions, nil
}

// enter counts n leaves in, or says why not.
func (l *Log) enter(n int) error {
	select {
	case <-l.signer.Refused():
		return l.signer.Err()
	default:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return tlog.ErrClosed
	case l.pending+n > l.o.MaxPending:
		return fmt.Errorf("%w: %d leaves are on their way, %d may be", tlog.ErrBusy, l.pending, l.o.MaxPending)
	}
	l.pending += n
	return nil
}

func (l *Log) leave(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= n
	l.drain()
}

// drain must be called with mu held, after a change of closed or pending.
func (l *Log) drain() {
	if l.closed && l.pending == 0 {
		close(l.drained)
	}
}

// Close implements [tlog.Log]. The guard signs nothing after it.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.done
		return l.closeErr
	}
	l.closed = true
	l.drain()
	l.mu.Unlock()
	defer close(l.done)

	err := l.settle(ctx)
	l.signer.Close()
	l.awaitWritten(ctx)
	l.cancel()
	l.watcher.Wait()
	l.closeErr = errors.Join(err, l.lock.Release())
	return l.closeErr
}

// settle waits until all that was queued is in the tree and under a published checkpoint. After a refusal
// there will be none, and only the first half is waited for.
func (l *Log) settle(ctx context.Context) error {
	select {
	case <-l.drained:
	case <-ctx.Done():
		return fmt.Errorf("closing log: appends under way: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.signer.Refused():
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := l.shutdown(ctx); err != nil {
		return fmt.Errorf("closing log: awaiting the last checkpoint: %w", errors.Join(err, l.signer.Err()))
	}
	return nil
}
