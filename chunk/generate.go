package chunk

//go:generate sh -c "go build -o blockpb/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go && protoc --plugin=blockpb/protoc-gen-go --go_out=blockpb --go_opt=paths=source_relative block.proto; rm -f blockpb/protoc-gen-go"
