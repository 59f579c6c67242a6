# The prompts stand in text files, so that they read as what they are; the build compiles them in.
set(PROMPTS_CPP ${CMAKE_BINARY_DIR}/generated/prompts.cpp)
set(prompts_text "// Generated from src/extraction/prompts/.\n#include <string_view>\nnamespace memoir::extraction {\n")
foreach(name extraction relational)
  set(file ${CMAKE_SOURCE_DIR}/src/extraction/prompts/${name}.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(APPEND prompts_text "extern const std::string_view ${name}_prompt_text;\n"
    "const std::string_view ${name}_prompt_text = R\"prompt(${text})prompt\";\n")
endforeach()
string(APPEND prompts_text "}\n")
file(CONFIGURE OUTPUT ${PROMPTS_CPP} CONTENT "${prompts_text}" @ONLY)
