// Package index answers which series: the selector language, and the index that finds the series
// of one shard that match a selector. A series is a number here, its ordinal in the shard, and the
// dimensions it was added with; the package knows nothing of samples, chunks or segments. The index
// is derived data: whoever owns it can build it again from what it was told, and does so when
// [Open] reports damage.
//
// Start at [Parse] and [Filter] for the language, at [Words] for what a free word finds, and at
// [Index] for the searching.
//
// # The files
//
// From the first series on, the folder is an index of Bleve's (https://blevesearch.com): any program
// may open it with bleve.OpenUsing and read_only, beside the store, and search it. Package index
// opens it so, too, and reads the dictionaries and postings of the segments itself, for sets of
// series without scores. It writes the files itself, all under checksums in MANIFEST, and never in
// place: docs/format.md has the layout, docs/decisions/0015 the reasons.
//
// # The selector language
//
// As in Lucene and Solr; what stands side by side must all match.
//
//   - all series
//     host:aws42                 the value of dimension host is aws42: the whole value, case counts
//     host:"a b"                 the same, with any character; \" and \\ inside
//     host:aws*  host:a?s42      wildcards: * is any text, ? any one character; \* is a star
//     host:/aws[0-9]+/           regular expression (RE2) for the whole value; . is any character
//     host:asw42~  host:asw42~1  at most two edits (or one, none) away: insert, delete, replace, swap
//     host:[aws1 TO aws5}        from aws1, included, to aws5, excluded; * is an open end
//     port:>1024  port:<=80      the same as {1024 TO *] and [* TO 80]
//     host:*                     series that have the dimension
//     host:(aws* OR azure*)      the field for all inside; a colon inside is a part of a value
//     heap usage                 free words: each is a word of some value; case does not count
//     "heap memory"              free words in a row, in one value
//     hea*  haep~  /hea[pd]/     free words by pattern
//     AND  &&  OR  ||  NOT  !  - NOT binds tighter than AND, AND tighter than OR; + changes nothing
//     \                          takes the next character's meaning
//
// A range compares as numbers where its ends are numbers and the value is one, else as text, byte
// by byte. A dimension's name that is not a plain word is quoted: "my field":x.
package index
