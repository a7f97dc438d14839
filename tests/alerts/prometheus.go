package alerts

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// Monitoring is a Prometheus, an Alertmanager, and who is told of alerts.
type Monitoring struct {
	// Client reaches what Prometheus reaches, by IP address.
	Client *http.Client

	url     string
	webhook *httptest.Server
	on      *lab.Node
	running []func() // what ends each program

	mu     sync.Mutex
	status map[string]string // "firing" or "resolved", by alert and instance
}

// Config is where and what to watch.
type Config struct {
	// Dir is for configuration, data and logs.
	Dir string
	// Root is the source tree.
	Root string
	// Targets are the daemons' metrics, host:port.
	Targets []string
	// On is where in a lab Prometheus and Alertmanager run, and the webhook
	// listens; nil is this machine.
	On *lab.Node
}

type document = map[string]any

// Start starts everything.
func Start(ctx context.Context, c Config) (*Monitoring, error) {
	m := &Monitoring{status: map[string]string{}, on: c.On, Client: &http.Client{}}
	m.webhook = httptest.NewUnstartedServer(http.HandlerFunc(m.told))
	if c.On != nil {
		l, err := c.On.Listen(ctx, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		m.webhook.Listener.Close() // its own, which nobody knows yet
		m.webhook.Listener = l
		m.Client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return c.On.Dial(ctx, address)
		}}
	}
	m.webhook.Start()
	ports, err := stage.FreePorts(2)
	if err != nil {
		return nil, err
	}
	m.url = "http://" + ports[0]
	if err := m.start(c, ports[0], ports[1]); err != nil {
		m.Stop()
		return nil, err
	}
	for {
		err := m.get(ctx, "/-/ready", nil, nil)
		if err == nil {
			return m, nil
		}
		select {
		case <-ctx.Done():
			m.Stop()
			log, _ := os.ReadFile(filepath.Join(c.Dir, "prometheus.log"))
			return nil, fmt.Errorf("wait for Prometheus to get ready: %w\n%s", err, log)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (m *Monitoring) start(c Config, prometheus, alertmanager string) error {
	rules, err := os.ReadFile(filepath.Join(c.Root, "metrics/prometheus/virtbalance.rules.yml"))
	if err != nil {
		return err
	}
	rules = regexp.MustCompile(`(?m)^( +for: ).*$`).ReplaceAll(rules, []byte("${1}2s"))
	ruleFile := filepath.Join(c.Dir, "rules.yml")
	if err := os.WriteFile(ruleFile, rules, 0o600); err != nil {
		return err
	}
	scrape, err := os.ReadFile(filepath.Join(c.Root, "metrics/prometheus/scrape.yml"))
	if err != nil {
		return err
	}
	var config struct {
		Global  document   `yaml:"global"`
		Rules   []string   `yaml:"rule_files"`
		Scrape  []document `yaml:"scrape_configs"`
		Alerted document   `yaml:"alerting"`
	}
	if err := yaml.Unmarshal(scrape, &config); err != nil {
		return err
	}
	config.Global = document{"evaluation_interval": "1s"}
	config.Rules = []string{ruleFile}
	config.Scrape[0]["scrape_interval"], config.Scrape[0]["scrape_timeout"] = "1s", "1s"
	config.Scrape[0]["static_configs"] = []document{{"targets": c.Targets}}
	config.Alerted = document{"alertmanagers": []document{{"static_configs": []document{{"targets": []string{alertmanager}}}}}}
	receiver := document{
		"route": document{
			"receiver": "test", "group_by": []string{"..."}, "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h",
		},
		"receivers": []document{{"name": "test", "webhook_configs": []document{{"url": m.webhook.URL}}}},
	}
	for file, content := range map[string]any{"prometheus.yml": config, "alertmanager.yml": receiver} {
		data, err := yaml.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.Dir, file), data, 0o600); err != nil {
			return err
		}
	}
	if err := m.run(c.Dir, "prometheus", "--config.file="+filepath.Join(c.Dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(c.Dir, "prometheus"), "--web.listen-address="+prometheus); err != nil {
		return err
	}
	return m.run(c.Dir, "prometheus-alertmanager", "--config.file="+filepath.Join(c.Dir, "alertmanager.yml"),
		"--storage.path="+filepath.Join(c.Dir, "alertmanager"), "--web.listen-address="+alertmanager, "--cluster.listen-address=")
}

func (m *Monitoring) run(dir, program string, args ...string) error {
	const hint = "%w: apt-get install prometheus prometheus-alertmanager"
	if m.on != nil {
		p, err := m.on.Start(program, append([]string{program}, args...)...)
		if err != nil {
			return fmt.Errorf(hint, err)
		}
		m.running = append(m.running, func() { _ = p.Signal(syscall.SIGKILL) }) // or the lab's end does
		return nil
	}
	log, err := os.Create(filepath.Join(dir, program+".log"))
	if err != nil {
		return err
	}
	defer log.Close() // the child has it
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives the test
	if err := cmd.Start(); err != nil {
		return fmt.Errorf(hint, err)
	}
	m.running = append(m.running, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	return nil
}

// Stop ends everything.
func (m *Monitoring) Stop() {
	for _, end := range m.running {
		end()
	}
	m.Client.CloseIdleConnections()
	m.webhook.Close()
}

// told is the webhook.
func (m *Monitoring) told(_ http.ResponseWriter, r *http.Request) {
	var message struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if json.NewDecoder(r.Body).Decode(&message) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range message.Alerts {
		m.status[key(a.Labels["alertname"], a.Labels["instance"])] = a.Status
	}
}

func key(alert, instance string) string { return alert + " " + instance }

// Status is what the webhook was last told of an alert: "firing", "resolved",
// or nothing. An alert of the whole fleet has no instance.
func (m *Monitoring) Status(alert, instance string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status[key(alert, instance)]
}

// Count is how many series an expression returns now.
func (m *Monitoring) Count(ctx context.Context, expr string) (int, error) {
	var reply struct {
		Data struct{ Result []json.RawMessage }
	}
	err := m.get(ctx, "/api/v1/query", url.Values{"query": {expr}}, &reply)
	return len(reply.Data.Result), err
}

// Unhealthy returns the rules that cannot be evaluated, with why.
func (m *Monitoring) Unhealthy(ctx context.Context) (map[string]string, error) {
	var reply struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := m.get(ctx, "/api/v1/rules", nil, &reply); err != nil {
		return nil, err
	}
	ill := map[string]string{}
	for _, g := range reply.Data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				ill[r.Name] = r.Health + ": " + r.LastError
			}
		}
	}
	return ill, nil
}

func (m *Monitoring) get(ctx context.Context, path string, query url.Values, reply any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := m.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var failure struct{ Error string }
		_ = json.NewDecoder(resp.Body).Decode(&failure) // the status says enough
		return fmt.Errorf("%s: %s %s", path, resp.Status, failure.Error)
	}
	if reply == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(reply)
}
