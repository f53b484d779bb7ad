package tlog

import (
	"container/list"
	"sync"
)

// tileCache keeps built tiles, least recently used out first. Full tiles never change. A partial tile is
// kept under its width, so that the right edge of each published size is built once however many proofs are
// asked for, and the edges of older sizes fall out by themselves.
type tileCache struct {
	budget int // bytes of hashes

	mu   sync.Mutex
	used int
	byID map[tileID]*list.Element
	lru  *list.List // of *cachedTile, most recently used in front
}

// tileID names one version of a tile.
type tileID struct {
	level, index uint64
	width        int
}

// size returns what the built tile takes, in bytes.
func (id tileID) size() int { return nodesIn(id.width) * hashSize }

// cachedTile is a place in the cache. Its tile is built by whoever comes first; the others wait, so that a
// thousand receipts under one new checkpoint cost one read.
type cachedTile struct {
	id   tileID
	load func() (*tile, error)
}

func newTileCache(budget int) *tileCache {
	return &tileCache{budget: budget, byID: make(map[tileID]*list.Element), lru: list.New()}
}

// get returns the tile, calling load when it isn't there. A failed load is forgotten.
func (c *tileCache) get(id tileID, load func() (*tile, error)) (*tile, error) {
	place := c.place(id, load)
	t, err := place.load()
	if err != nil {
		c.drop(place)
	}
	return t, err
}

func (c *tileCache) place(id tileID, load func() (*tile, error)) *cachedTile {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		c.lru.MoveToFront(e)
		return e.Value.(*cachedTile)
	}
	place := &cachedTile{id: id, load: sync.OnceValues(load)}
	c.byID[id] = c.lru.PushFront(place)
	c.used += id.size()
	for c.used > c.budget && c.lru.Len() > 1 {
		c.remove(c.lru.Back())
	}
	return place
}

func (c *tileCache) drop(place *cachedTile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[place.id]; ok && e.Value == place {
		c.remove(e)
	}
}

// remove must be called with mu held.
func (c *tileCache) remove(e *list.Element) {
	id := c.lru.Remove(e).(*cachedTile).id
	delete(c.byID, id)
	c.used -= id.size()
}
