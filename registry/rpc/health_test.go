package rpc_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/hallmark-registry/hallmark/registry/rpc"
	"github.com/hallmark-registry/hallmark/registry/rpc/rpctest"
)

func watchHealth(t *testing.T, conn *grpc.ClientConn) grpc.ServerStreamingClient[grpc_health_v1.HealthCheckResponse] {
	t.Helper()
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return watch
}

func TestHealthTellsTheTruth(t *testing.T) {
	s, conn := serve(t, rpctest.New(1), rpc.Options{})
	c := grpc_health_v1.NewHealthClient(conn)
	check := func(when string, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, service := range []string{
			"", "hallmark.v1.RegistryService", "hallmark.v1.LogService", "hallmark.v1.AuditService", "hallmark.v1.TokenService",
		} {
			got, err := c.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%s, service %q: %v, %v, want %v", when, service, got.GetStatus(), err, want)
			}
		}
	}
	check("at first", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	s.SetServing(nil)
	check("when told so", grpc_health_v1.HealthCheckResponse_SERVING)
	s.SetServing(errors.New("the sequencer stalls"))
	check("when the sequencer stalls", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	s.SetServing(nil)
	check("when it works again", grpc_health_v1.HealthCheckResponse_SERVING)

	_, err := c.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{Service: "hallmark.v1.NoService"})
	if st, info := info(t, err); st.Code() != codes.NotFound || info.GetReason() != "NOT_FOUND" {
		t.Errorf("a service that is none: %v, want NOT_FOUND", err)
	}

	watch := watchHealth(t, conn)
	if got, err := watch.Recv(); err != nil || got.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("watching: %v, %v, want SERVING", got, err)
	}
	if err := s.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, err := watch.Recv(); err == nil && got.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("on drain: %v, want NOT_SERVING", got)
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	_, conn := serve(t, rpctest.New(1), rpc.Options{})
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range m.GetListServicesResponse().GetService() {
		got = append(got, s.GetName())
	}
	for _, want := range []string{
		"grpc.health.v1.Health",
		"hallmark.v1.RegistryService", "hallmark.v1.LogService", "hallmark.v1.AuditService", "hallmark.v1.TokenService",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("reflection lists %v, want also %s", got, want)
		}
	}
}
