package client

import (
	"context"

	pb "github.com/hallmark-registry/hallmark/proto/hallmark/v1"
	"github.com/hallmark-registry/hallmark/verifier/entry"
)

// Publish logs an entry and returns its verified receipt when it is in the
// published log.
func (c *Client) Publish(ctx context.Context, e *entry.Entry) (*Receipt, error) {
	if err := c.needPolicy(); err != nil {
		return nil, err
	}
	resp, err := call(ctx, c.registry.PublishEntry, &pb.PublishEntryRequest{Entry: e.Raw()})
	if err != nil {
		return nil, err
	}
	return c.verify(e, resp.GetReceipt())
}

// Validate asks whether an entry would be taken, and logs nothing.
func (c *Client) Validate(ctx context.Context, e *entry.Entry) error {
	resp, err := call(ctx, c.registry.PublishEntry, &pb.PublishEntryRequest{Entry: e.Raw(), ValidateOnly: true})
	if err != nil {
		return err
	}
	return checkEntryID(e, resp.GetReceipt())
}
