package weights

import (
	"cmp"
	"context"
	"crypto/sha256"
	"hash"
	"io/fs"
	"slices"
	"sync"
)

const (
	// maxWorkers bounds memory: 32 cores hash faster than any disk, or most memory, delivers.
	maxWorkers = 32
	// blocksPerWorker lets workers run ahead of a file's own SHA-256 without ever waiting for it on an even load.
	blocksPerWorker = 2
)

// pool shares the work on all files among a fixed number of workers. The work comes in three kinds:
//
//	start   open a file
//	hash    read a block and hash its chunks; any worker, any block
//	feed    give a block to the file's own SHA-256; one worker at a time, in file order
//
// A worker stays with a file while it can, feeding a block right after it hashed it, while the bytes are in its cache.
// With as many large files as workers nobody waits for anybody. When files run out the idle join in where blocks are
// left, so that one worker feeds a single large file while the others hash its chunks. A block is retired, and its
// buffer free again, when it has been hashed and fed and all blocks before it have been retired: that bounds memory,
// and gives the trees their leaves in order.
type pool struct {
	fsys     fs.FS
	total    uint64
	progress func(done, total uint64)

	mu      sync.Mutex
	wake    sync.Cond // any of the following changed
	waiting []*job    // not yet started
	running int       // started and not finished
	open    []*job    // those of running that have work to give
	free    []*block
	done    uint64
	err     error // the first; ends all work
}

// hashAll hashes the contents of all jobs' files, and returns when every goroutine that it began has ended.
func hashAll(ctx context.Context, fsys fs.FS, jobs []*job, total uint64, o Options) error {
	workers := min(max(o.Workers, 1), maxWorkers)
	p := pool{fsys: fsys, total: total, progress: o.Progress, waiting: slices.Clone(jobs)}
	p.wake.L = &p.mu
	// Largest first: a file's own SHA-256 can't be split, so the longest one must not begin last.
	slices.SortStableFunc(p.waiting, func(a, b *job) int { return cmp.Compare(b.file.Size, a.file.Size) })
	for range workers * blocksPerWorker {
		p.free = append(p.free, new(block))
	}
	p.done = total // but for the content of these files
	for _, j := range jobs {
		p.done -= j.file.Size - j.file.Header.Size
	}
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.fail(ctx.Err())
	})
	defer stop()

	var all sync.WaitGroup
	for range workers {
		all.Go(p.work)
	}
	all.Wait()
	for _, j := range jobs {
		if j.closer != nil {
			j.closer.Close()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// task is one step of work, claimed for one worker.
type task struct {
	do    func(t task, h hash.Hash) error // runs without the mutex
	end   func(t task)                    // then, with it
	job   *job
	block *block
}

// work is one worker's life.
func (p *pool) work() {
	h := sha256.New()
	var own *job
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		t, ok := p.next(own)
		if !ok {
			return
		}
		own = t.job
		p.mu.Unlock()
		err := t.do(t, h)
		p.mu.Lock()
		if err != nil {
			p.fail(inFile(err, t.job.file.Path))
			return
		}
		t.end(t)
		p.wake.Broadcast()
	}
}

func (p *pool) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.wake.Broadcast()
}

// next claims a task, and waits for one while others have work under way that may bring some. It returns false when
// all is done, or nothing matters any more.
func (p *pool) next(own *job) (task, bool) {
	for p.err == nil {
		if t, ok := p.claim(own); ok {
			return t, true
		}
		if len(p.waiting) == 0 && p.running == 0 {
			return task{}, false
		}
		p.wake.Wait()
	}
	return task{}, false
}

// claim prefers, in this order: the worker's own file; what frees buffers; a file of its own; to help.
func (p *pool) claim(own *job) (task, bool) {
	if own != nil {
		if t, ok := p.claimFeed(own); ok {
			return t, true
		}
		if t, ok := p.claimHash(own); ok {
			return t, true
		}
	}
	for _, j := range p.open {
		if t, ok := p.claimFeed(j); ok {
			return t, true
		}
	}
	if len(p.waiting) > 0 && (own == nil || !own.cut.more()) {
		j := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.running++
		return task{job: j, do: p.start, end: p.started}, true
	}
	for _, j := range p.open {
		if t, ok := p.claimHash(j); ok {
			return t, true
		}
	}
	return task{}, false
}

func (p *pool) claimFeed(j *job) (task, bool) {
	if j.raw == nil || j.feeding || j.fed == len(j.blocks) || !j.blocks[j.fed].hashed {
		return task{}, false
	}
	j.feeding = true
	return task{job: j, block: j.blocks[j.fed], do: feed, end: p.fed}, true
}

func (p *pool) claimHash(j *job) (task, bool) {
	if len(p.free) == 0 || !j.cut.more() {
		return task{}, false
	}
	b := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	size := j.cut.next(b)
	if cap(b.data) < size {
		b.data = make([]byte, min(p.total, ChunkSize))
	}
	b.data = b.data[:size]
	j.blocks = append(j.blocks, b)
	return task{job: j, block: b, do: hashBlock, end: p.hashed}, true
}

func (p *pool) start(t task, _ hash.Hash) error { return t.job.start(p.fsys) }

func (p *pool) started(t task) {
	p.open = append(p.open, t.job)
	p.retire(t.job)
}

func hashBlock(t task, h hash.Hash) error {
	if err := t.block.read(t.job.source); err != nil {
		return err
	}
	return t.block.hash(h)
}

func (p *pool) hashed(t task) {
	t.block.hashed = true
	t.block.fed = t.job.raw == nil
	p.done += uint64(len(t.block.data))
	if p.progress != nil {
		p.progress(p.done, p.total)
	}
	p.retire(t.job)
}

func feed(t task, _ hash.Hash) error {
	t.job.raw.Write(t.block.data)
	return nil
}

func (p *pool) fed(t task) {
	t.block.fed = true
	t.job.feeding = false
	t.job.fed++
	p.retire(t.job)
}

// retire takes the leaves of the file's blocks that are through, and ends the file with its last one.
func (p *pool) retire(j *job) {
	for len(j.blocks) > 0 && j.blocks[0].hashed && j.blocks[0].fed {
		j.take(j.blocks[0])
		p.free = append(p.free, j.blocks[0])
		j.blocks = j.blocks[1:]
		j.fed = max(j.fed-1, 0)
	}
	if len(j.blocks) > 0 || j.cut.more() {
		return
	}
	p.open = slices.DeleteFunc(p.open, func(o *job) bool { return o == j })
	p.mu.Unlock() // a file without work is nobody else's, and its last steps read and hash
	err := j.finish()
	p.mu.Lock()
	p.running--
	if err != nil {
		p.fail(inFile(err, j.file.Path))
	}
}
