-- One row for each log entry, by its index; data is the codec's.
CREATE TABLE rows (
  idx  INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

-- A posting says that a row has a key. All of it is the integer: block, hash of the key, place in the block.
CREATE TABLE postings (
  key INTEGER PRIMARY KEY
) STRICT;

-- The entry ids of a full block of rows, as a Bloom filter.
CREATE TABLE blooms (
  block INTEGER PRIMARY KEY,
  bits  BLOB NOT NULL
) STRICT;

-- origin: the log's; secret: the key of the postings' hash.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
