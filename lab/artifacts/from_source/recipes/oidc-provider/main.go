// An OpenID provider for a lab: one client, a few users, all state in memory.
//
// The protocol and the storage are zitadel/oidc's; the storage is that of its example server. This program adds the
// login page, reads the client's secret and the users from mounted files, and leaves only the authorization code flow.
// It is no provider for anything but a lab: passwords are in plain text in a Secret, and a restart ends all sessions.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	maxRequest = 64 << 10
	loginPath  = "/login/username" // where the storage's clients send the browser, with the request's id
	requestID  = "authRequestID"
)

// Set by the linker.
var version = "unknown"

//go:embed login.html
var pages embed.FS

var login = template.Must(template.ParseFS(pages, "login.html"))

// Only the authorization code flow. The example's storage also has an account for machines with a published secret, which
// these grants do not reach.
var (
	grants    = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
	responses = []string{string(oidc.ResponseTypeCode)}
)

type options struct {
	listen, issuer, client, redirects, secretFile, usersFile string
}

func main() {
	var given options
	flag.StringVar(&given.listen, "listen", ":8080", "address to listen on")
	flag.StringVar(&given.issuer, "issuer", "", "URL of this provider as browsers see it")
	flag.StringVar(&given.client, "client-id", "oauth2-proxy", "id of the only client")
	flag.StringVar(&given.redirects, "redirect-uris", "", "URLs, separated by commas, to which a login may return")
	flag.StringVar(&given.secretFile, "client-secret-file", "", "file with the client's secret")
	flag.StringVar(&given.usersFile, "users-file", "", "file with a line EMAIL:PASSWORD for each user")
	asked := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *asked {
		fmt.Println(version)
		return
	}
	if err := run(given); err != nil {
		fmt.Fprintln(os.Stderr, "oidc-provider:", err)
		os.Exit(1)
	}
}

func run(given options) error {
	handler, err := newHandler(given)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              given.listen,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
	}
	ending, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stopped := make(chan error, 1)
	go func() {
		<-ending.Done()
		patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(patience)
	}()
	slog.Info("listening", "address", given.listen, "issuer", given.issuer, "version", version)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func newHandler(given options) (http.Handler, error) {
	if given.issuer == "" || given.redirects == "" || given.secretFile == "" || given.usersFile == "" {
		return nil, errors.New("--issuer, --redirect-uris, --client-secret-file and --users-file are required")
	}
	secret, err := readSecret(given.secretFile)
	if err != nil {
		return nil, err
	}
	users, err := readUsers(given.usersFile)
	if err != nil {
		return nil, err
	}
	storage.RegisterClients(storage.WebClient(given.client, secret, strings.Split(given.redirects, ",")...))
	store := storage.NewStorage(users)
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	config := &op.Config{CryptoKey: key, CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true}
	// In the lab, browsers come through a plain port of 127.0.0.1.
	provider, err := op.NewOpenIDProvider(given.issuer, config, store, op.WithAllowInsecure())
	if err != nil {
		return nil, err
	}
	return routes(provider, store), nil
}

func routes(provider op.OpenIDProvider, store *storage.Storage) http.Handler {
	issuer := op.NewIssuerInterceptor(provider.IssuerFromRequest)
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) {
		show(w, http.StatusOK, r.FormValue(requestID), "")
	})
	routes.HandleFunc("POST "+loginPath, issuer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.PostFormValue(requestID)
		if err := store.CheckUsernamePassword(r.PostFormValue("email"), r.PostFormValue("password"), id); err != nil {
			slog.Warn("login refused", "reason", err)
			show(w, http.StatusUnauthorized, id, "The email or the password is wrong, or this login has expired.")
			return
		}
		http.Redirect(w, r, op.AuthCallbackURL(provider)(r.Context(), id), http.StatusFound)
	}))
	authorize := provider.AuthorizationEndpoint().Relative()
	for _, path := range []string{
		"/healthz", "/ready", authorize + "/callback",
		provider.UserinfoEndpoint().Relative(), provider.KeysEndpoint().Relative(), provider.EndSessionEndpoint().Relative(),
	} {
		routes.Handle(path, provider)
	}
	routes.HandleFunc(oidc.DiscoveryEndpoint, issuer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		described := op.CreateDiscoveryConfig(r.Context(), provider, store)
		described.GrantTypesSupported, described.ResponseTypesSupported = grants, responses
		described.IntrospectionEndpoint, described.RevocationEndpoint, described.DeviceAuthorizationEndpoint = "", "", ""
		op.Discover(w, described)
	}))
	routes.HandleFunc(authorize, func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(responses, r.FormValue("response_type")) {
			refuse(w, "unsupported_response_type")
			return
		}
		provider.ServeHTTP(w, r)
	})
	routes.HandleFunc(provider.TokenEndpoint().Relative(), func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(grants, oidc.GrantType(r.PostFormValue("grant_type"))) {
			refuse(w, "unsupported_grant_type")
			return
		}
		provider.ServeHTTP(w, r)
	})
	return http.MaxBytesHandler(routes, maxRequest)
}

func refuse(w http.ResponseWriter, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error":%q}`, reason)
}

func show(w http.ResponseWriter, status int, id, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.WriteHeader(status)
	if err := login.Execute(w, map[string]string{"ID": id, "Problem": problem, "Path": loginPath}); err != nil {
		slog.Warn("the login page was not sent", "reason", err)
	}
}

func readSecret(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if len(content) == 0 {
		return "", fmt.Errorf("%s is empty; write the client's secret into it", file)
	}
	// With its newline, if it has one: the client, oauth2-proxy, reads the same file so.
	return string(content), nil
}

// The users by their email, which is also their id.
type users map[string]*storage.User

func (u users) GetUserByID(id string) *storage.User         { return u[id] }
func (u users) GetUserByUsername(name string) *storage.User { return u[name] }

// The example's account for machines; nothing asks for it here.
func (u users) ExampleClientID() string { return storage.ServiceUserID }

func readUsers(file string) (users, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	found := users{}
	lines := bufio.NewScanner(opened)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		email, password, ok := strings.Cut(line, ":")
		if !ok || !strings.Contains(email, "@") || password == "" {
			return nil, fmt.Errorf("%s, line %d: it is not of the form EMAIL:PASSWORD", file, number)
		}
		name, _, _ := strings.Cut(email, "@")
		found[email] = &storage.User{
			ID: email, Username: email, Password: password, FirstName: name, Email: email, EmailVerified: true,
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no user; write a line EMAIL:PASSWORD into it", file)
	}
	return found, nil
}
