package segment

import "github.com/chronodex/chronodex/chunk"

// Sizes are bytes of a segment by what they hold.
type Sizes struct {
	Times       int64 // columns of stamps
	Values      int64 // columns of values
	Blocks      int64 // what else is in blocks: which columns belong to which chunk
	Directory   int64 // pages of chunks
	Series      int64 // pages of identities
	Lookups     int64 // pages of ordinals
	IndexOfFile int64 // the index, and the file's header and footer
}

// Sizes reads all blocks, and returns what takes how much.
func (r *Reader) Sizes() (Sizes, error) {
	s := Sizes{IndexOfFile: r.Size()}
	for n, f := range r.index.frames {
		s.IndexOfFile -= f.size
		switch f.kind {
		case frameBlock:
			b, err := r.frame(n)
			if err != nil {
				return s, err
			}
			block, err := chunk.ParseBlock(b)
			if err != nil {
				return s, r.where(f, err)
			}
			z := block.Sizes(len(b))
			s.Times += int64(z.Times)
			s.Values += int64(z.Values)
			s.Blocks += f.size - int64(z.Times) - int64(z.Values)
		case frameDirectory:
			s.Directory += f.size
		case frameSeries:
			s.Series += f.size
		default:
			s.Lookups += f.size
		}
	}
	return s, nil
}
