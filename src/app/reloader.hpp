#pragma once
// SIGHUP: reads the configuration again and puts it to work, on a thread of its own, because a model takes a
// while to load and a server to answer, and the control thread never blocks.
//
// All or nothing: new backends are built and tried beside the running ones; what can never work, or a file
// with problems, is told (memoir.config.rejected) and changes nothing. Then the engine gets the new plan;
// jobs under way end by the backends that they began with. Requests that come during a reload make one more.
// Thread safety: all of Reloader.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "app/generations.hpp"
#include "config/config.hpp"
#include "service/notify.hpp"
#include "telemetry/sink_log.hpp"
#include "work/engine.hpp"

namespace memoir::app {

class Reloader {
  public:
    // `status`: the STATUS= line after a reload. All of it outlives the reloader, as does what ready() gets.
    Reloader(std::function<config::Loaded()> load, std::function<std::string()> status,
             telemetry::SinkLog& log, service::Notifier& notifier);
    void request();
    // From here on there is an engine. Before that a request applies the log level alone, and the rest now.
    void ready(Ground& ground, Generations& generations, work::Engine& engine);
    // No reload begins any more, and one under way comes to nothing where it can. Does not wait.
    void stop() { thread_.request_stop(); }
    // Waits for one that is under way.
    void finish();

  private:
    void run(const std::stop_token& stop);
    void answer(bool ready, const std::stop_token& stop);
    void early();
    void reload(const std::stop_token& stop);
    std::shared_ptr<Backends> build(const config::Changes& changes, const Backends& running,
                                    const std::stop_token& stop);
    void reject(const std::vector<config::Problem>& problems);
    void tell(const config::Changes& changes, const Backends& before, const Backends& now);

    const std::function<config::Loaded()> load_;
    const std::function<std::string()> status_;
    telemetry::SinkLog& log_;
    service::Notifier& notifier_;
    std::mutex mutex_;  // guards all below
    std::condition_variable_any wake_;
    bool requested_ = false;
    bool early_ = false;  // a request came before there was an engine
    Ground* ground_ = nullptr;
    Generations* generations_ = nullptr;
    work::Engine* engine_ = nullptr;
    std::jthread thread_;  // last: starts when all else is there, and is joined first
};

}  // namespace memoir::app
