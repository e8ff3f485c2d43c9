package collectd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Types are the names of the values of each type that has several.
type Types map[string][]string

// known are the types of several values of collectd 5.12's own types.db.
const known = `
arc_counts demand_data demand_metadata prefetch_data prefetch_metadata
arc_l2_bytes read write
arc_size current target minlimit maxlimit
compression uncompressed compressed
df used free
disk_io_time io_time weighted_io_time
disk_latency read write
disk_merged read write
disk_octets read write
disk_ops read write
disk_time read write
dns_octets queries responses
domain_state state reason
ib_octets rx tx
ib_packets rx tx
if_dropped rx tx
if_errors rx tx
if_octets rx tx
if_packets rx tx
io_octets rx tx
io_ops read write
io_packets rx tx
load shortterm midterm longterm
memcached_octets rx tx
mysql_octets rx tx
mysql_qcache hits inserts not_cached lowmem_prunes queries_in_cache
mysql_threads running connected cached created
node_octets rx tx
ps_count processes threads
ps_cputime user syst
ps_disk_octets read write
ps_disk_ops read write
ps_pagefaults minflt majflt
serial_octets rx tx
smart_attribute current worst threshold pretty
vf_bytes vf_rx vf_tx
vf_dropped vf_rx vf_tx
vf_packets vf_rx vf_tx
vmpage_faults minflt majflt
vmpage_io in out
voltage_threshold value threshold
`

// KnownTypes returns the types that collectd itself comes with.
func KnownTypes() Types {
	t := make(Types)
	for line := range strings.Lines(known) {
		if words := strings.Fields(line); len(words) > 0 {
			t[words[0]] = words[1:]
		}
	}
	return t
}

// Read adds the types of a types.db(5) to t: on each line a type, and its values as
// name:kind:min:max, apart by blanks or commas.
func (t Types) Read(r io.Reader) error {
	s := bufio.NewScanner(r)
	for line := 1; s.Scan(); line++ {
		words := strings.FieldsFunc(s.Text(), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\r' })
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		var names []string
		for _, w := range words[1:] {
			parts := strings.Split(w, ":")
			if len(parts) != 4 || parts[0] == "" {
				return fmt.Errorf("types.db: line %d: %q is not name:kind:min:max", line, w)
			}
			names = append(names, parts[0])
		}
		t[words[0]] = names
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("types.db: %w", err)
	}
	return nil
}

// ReadUsers reads the file of users that collectd's network plugin has as AuthFile: on each line a
// user and a password, with a colon between them.
func ReadUsers(r io.Reader) (map[string]string, error) {
	users := make(map[string]string)
	s := bufio.NewScanner(r)
	for line := 1; s.Scan(); line++ {
		text := strings.TrimSpace(s.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		user, password, ok := strings.Cut(text, ":")
		user, password = strings.TrimSpace(user), strings.TrimSpace(password)
		if !ok || user == "" || password == "" {
			return nil, fmt.Errorf("users of collectd: line %d is not user: password", line)
		}
		users[user] = password
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("users of collectd: %w", err)
	}
	return users, nil
}
