package client_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-registry/hallmark/registry"
	"github.com/hallmark-registry/hallmark/registry/client"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

// Everything that the registry says of a standing reaches the client, from the
// three places where it stands.
func TestStandingReachesTheClient(t *testing.T) {
	said := registry.Standing{State: "superseded", By: "sha256:01", Index: 4, Disputed: 3, Disputes: []uint64{2, 5}, Unbound: true, Size: 9}
	want := client.Standing{State: "superseded", By: "sha256:01", Index: 4, Disputed: 3, Disputes: []uint64{2, 5}, Unbound: true}
	l := &liar{
		Registry: rpctest.New(1),
		entry:    func(v *registry.EntryView) { v.Standing = said },
		search:   func(p *registry.SearchPage) { p.Entries[0].Standing = said },
		lineage:  func(l *registry.Lineage) { l.Nodes[0].Standing = said },
	}
	grow(t, l.Registry, 2)
	c := newSite(t, l).client(l.Trust())
	ctx := context.Background()
	var got []client.Standing
	e, err := c.Entry(ctx, "1")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, e.Standing)
	for page, err := range c.Search(ctx, "", 10) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Entries[0].Standing)
		if !page.Entries[1].Standing.Empty() {
			t.Errorf("nothing was said of entry 1, and it stands as %+v", page.Entries[1].Standing)
		}
	}
	graph, err := c.Lineage(ctx, "acme/m@1", client.LineageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, graph.Nodes[0].Standing)
	if diff := cmp.Diff([]client.Standing{want, want, want}, got); diff != "" {
		t.Errorf("entry, search and lineage (-want +got):\n%s", diff)
	}
}
