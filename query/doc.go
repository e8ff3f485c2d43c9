// Package query is the language in which questions are asked, and how they are answered: text →
// tree → plan → pieces of chunks, read in parallel → partial states → result.
//
// It knows nothing of disks, shards, protocols and formats of output. What it reads is a [Selector];
// what it computes with are the functions of package analytics; which series, package index says.
//
// Start at [Parse] for the language, at [Engine.Run] for the answer. docs/query.md is the guide.
//
// # The language
//
//	query     = ( selector | expression ) { "|" stage }
//	selector  = as package index reads it, up to "|", ")" or the end
//	expression= term   { ( "+" | "-" ) term }
//	term      = operand { ( "*" | "/" ) operand }
//	operand   = number | "(" query ")"               a query with at least one stage inside
//	stage     = aggregates | transform | arithmetic | fill | limit | head | tail | where |
//	            sort | top | bottom
//	aggregates= call { "," call } [ "by" names ] [ every ]
//	call      = name { number | word }
//	names     = "nothing" | name { "," name }         a name that is no plain word is quoted: "a b"
//	every     = "every" duration [ "offset" "=" duration ] [ "tz" "=" name ]
//	transform = call
//	arithmetic= ( "add" | "sub" | "mul" | "div" ) ( number | "(" query ")" ) [ "on" names ]
//	fill      = "fill" ( "none" | "previous" | "linear" | number )
//	limit     = "limit" number                        of series
//	head      = ( "head" | "tail" ) number            of observations of each
//	where     = "where" ( sign number | "(" query ")" [ "on" names ] )
//	sign      = "<" | "<=" | ">" | ">=" | "==" | "!="
//	sort      = "sort" [ "by" call ] [ "asc" | "desc" ]
//	top       = ( "top" | "bottom" ) number [ "by" call ]
//
// What each stage means is in its own documentation, in package analytics and in docs/query.md.
// The order of stages is the order of work.
//
// # What holds for every answer
//
// The same question to the same store has the same answer, bit for bit: work is cut into tasks by
// what there is to read, never by how many cores there are, and partial results are merged in the
// order of the tasks. What cannot be read because it is damaged is skipped, counted, and named in
// the warnings of the result; nothing else is left out in silence.
package query
