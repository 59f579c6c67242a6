#pragma once
// The step of a claim: progress stored in the payload together with effects, durably. The claim goes on.
// Thread safety: all of Checkpointer.

#include <string>

#include "work/outcomes.hpp"
#include "work/persist.hpp"

namespace memoir::work {

class Checkpointer {
  public:
    Checkpointer(Context& context, Persist& persist) : context_(context), persist_(persist) {}
    // Throws Failure(cancelled) when the claim is lost, Changed when the memory is not as it was read.
    void store(Claim& claim, const std::string& payload, Effects& effects);

  private:
    enum class Step { again, stood, lost };
    Step look(Claim& claim, const std::string& payload);
    Step attempt(Claim& claim, const std::string& payload, Effects& effects, bool& unknown);

    Context& context_;
    Persist& persist_;
};

}  // namespace memoir::work
