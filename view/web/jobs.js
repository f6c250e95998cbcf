// Work over the whole dataset: started by a person, watched, stopped.

import { ended, get, post, remove } from "./api.js";
import { el, pause, replace, say } from "./dom.js";
import { percent, seconds } from "./format.js";

// Job is one kind of such work and its place on the page. done(result, job) is
// called once there is a result, explain says beforehand what it costs.
export class Job {
  constructor(ctx, { kind, start, explain, done }) {
    Object.assign(this, { ctx, kind, start, explain, done });
    this.node = el("div", { class: "job", dataset: { job: kind } });
    this.id = null;
  }

  // resume shows the newest job of this kind, if there is one, else the button.
  async resume() {
    this.idle();
    let jobs = [];
    try {
      jobs = await get("/api/jobs", null, this.ctx.signal);
    } catch (e) {
      if (ended(e)) throw e; // without a list one can still begin
    }
    const mine = (jobs ?? []).filter((j) => j.kind === this.kind);
    const last = mine.find((j) => j.state === "running") ?? mine.findLast((j) => j.state === "done");
    if (last) this.watch(last.id);
    return Boolean(last);
  }

  idle(note) {
    replace(this.node, el("button", { type: "button", class: "primary", id: `start-${this.kind}`, onclick: () => this.begin() }, this.start),
      el("span", { class: "hint" }, note ?? this.explain));
  }

  async begin() {
    try {
      const { id } = await post("/api/jobs", { kind: this.kind }, this.ctx.signal);
      say(`${this.kind} begun`);
      await this.watch(id);
    } catch (e) {
      if (!ended(e)) this.ctx.error(e);
    }
  }

  async watch(id) {
    this.id = id;
    const bar = el("progress", { "aria-label": this.kind });
    const told = el("span", { class: "told" });
    const stop = el("button", { type: "button", id: `stop-${this.kind}`, onclick: () => this.stop() }, "Stop");
    replace(this.node, bar, told, stop);
    try {
      for (let wait = 150; ; wait = Math.min(1000, wait * 1.5)) {
        const job = await get(`/api/jobs/${id}`, null, this.ctx.signal);
        if (job.state !== "running") return this.end(job);
        if (job.all > 0) {
          bar.max = job.all;
          bar.value = job.done;
        }
        const share = job.all > 0 ? job.done / job.all : 0;
        const left = share > 0.02 ? ` · about ${seconds((job.seconds / share) * (1 - share))} left` : "";
        told.textContent = job.all > 0 ? `${percent(share)}${left}` : "…";
        await pause(wait, this.ctx.signal);
      }
    } catch (e) {
      if (ended(e) || this.ctx.signal.aborted) return;
      this.ctx.error(e);
      this.idle();
    }
  }

  end(job) {
    if (job.state === "done") {
      replace(this.node, el("button", { type: "button", id: `start-${this.kind}`, onclick: () => this.begin() }, "Again"), el("span", { class: "hint" }, `done in ${seconds(job.seconds)}`));
      say(`${this.kind} done`);
      this.done(job.result, job);
      return;
    }
    this.idle(job.state === "failed" ? `failed: ${job.error ?? "no reason told"}` : `stopped${job.all > 0 ? ` at ${percent(job.done / job.all)}` : ""}`);
    say(`${this.kind} ${job.state}`);
  }

  async stop() {
    try {
      await remove(`/api/jobs/${this.id}`, this.ctx.signal);
    } catch (e) {
      if (!ended(e)) this.ctx.error(e);
    }
  }
}
