package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"gopkg.in/yaml.v3"

	"github.com/betongo/betongo/internal/scripttest"
	"github.com/betongo/betongo/internal/term"
)

const deploy = "../../deploy"

// kubernetesJob is what matters of a Job.
type kubernetesJob struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Spec       struct {
		CompletionMode       string `yaml:"completionMode"`
		Completions          int
		BackoffLimitPerIndex *int `yaml:"backoffLimitPerIndex"`
		PodFailurePolicy     struct {
			Rules []struct {
				OnExitCodes struct{ ContainerName string } `yaml:"onExitCodes"`
			}
		} `yaml:"podFailurePolicy"`
		Template struct {
			Spec struct {
				RestartPolicy string `yaml:"restartPolicy"`
				Containers    []struct {
					Name         string
					Args         []string
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct{ Name string }
			}
		}
	}
}

// TestKubernetes holds the ready Jobs to the command line: it takes their arguments,
// which fit together.
func TestKubernetes(t *testing.T) {
	t.Setenv("JOB_COMPLETION_INDEX", "3")
	all := map[string]*grammar{}
	shards := 0
	for _, name := range []string{"plan", "shards", "merge"} {
		text, err := os.ReadFile(filepath.Join(deploy, "kubernetes", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var j kubernetesJob
		if err := yaml.Unmarshal(text, &j); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pod := j.Spec.Template.Spec
		if j.APIVersion != "batch/v1" || j.Kind != "Job" || len(pod.Containers) != 1 || pod.RestartPolicy != "Never" {
			t.Fatalf("%s: %+v", name, j)
		}
		c := pod.Containers[0]
		g := &grammar{}
		var stderr bytes.Buffer
		if k, _ := term.Parse(prog, description, g, c.Args, &stderr, &stderr); k == nil {
			t.Fatalf("%s: %q: %s", name, c.Args, stderr.String())
		}
		all[name] = g
		if len(c.VolumeMounts) != len(pod.Volumes) {
			t.Errorf("%s: %d volumes, %d are mounted", name, len(pod.Volumes), len(c.VolumeMounts))
		}
		for i, m := range c.VolumeMounts {
			if m.Name != pod.Volumes[i].Name || m.MountPath != g.Shard.Staging && m.MountPath != g.Merge.Staging {
				t.Errorf("%s: mount %+v", name, m)
			}
		}
		if name != "shards" {
			continue
		}
		shards = j.Spec.Completions
		if j.Spec.CompletionMode != "Indexed" || j.Spec.BackoffLimitPerIndex == nil || len(j.Spec.PodFailurePolicy.Rules) != 2 {
			t.Errorf("shards: %+v", j.Spec)
		}
	}
	plan := all["plan"].Plan.Folder.Mode
	if plan.Shards != shards || plan.Output != all["shards"].Shard.Plan || plan.Output != all["merge"].Merge.Plan || all["shards"].Shard.Index != 3 {
		t.Errorf("the Jobs don't fit together: %d and %d shards, plans %s, %s, %s", plan.Shards, shards, plan.Output, all["shards"].Shard.Plan, all["merge"].Merge.Plan)
	}
}

// TestSlurm runs the Slurm jobs.
func TestSlurm(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "deploy"),
		Cmds: scripttest.Commands(map[string]scripttest.Command{"photo": photo}),
		Setup: func(e *testscript.Env) error {
			dir, err := filepath.Abs(deploy)
			e.Setenv("DEPLOY", dir)
			e.Vars = append(e.Vars, scripttest.Inherited()...)
			return err
		},
	})
}

// TestImage holds the image's recipe to the tree.
func TestImage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go build -tags static,disable_grpc_modules,grpcnotrace -trimpath -ldflags '-s -w' -o /out/ffcvwrite ./cmd/ffcvwrite\n", "ENTRYPOINT [\"/ffcvwrite\"]\n", "COPY --from=build /out/ /\n", "mkdir -m 1777 /out/tmp"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in it", want)
		}
	}
}
