# ONNX Runtime is opened at run time (src/model/onnx_runtime.cpp), so a build needs its C header alone: the
# daemon is packaged without the library, and starts without it where no served kind needs a model.
set(ONNXRUNTIME_API 21)  # of 1.21, the oldest that is asked for; newer libraries serve it too

set(ONNXRUNTIME_INCLUDE_DIR "" CACHE PATH "Folder of onnxruntime_c_api.h")
find_path(onnxruntime_header onnxruntime_c_api.h NO_CACHE
  PATHS ${ONNXRUNTIME_INCLUDE_DIR} ${CMAKE_SOURCE_DIR}/build/onnxruntime/include NO_DEFAULT_PATH)
find_path(onnxruntime_header onnxruntime_c_api.h NO_CACHE
  PATH_SUFFIXES onnxruntime onnxruntime/core/session core/session)
if(NOT onnxruntime_header)
  message(FATAL_ERROR "onnxruntime_c_api.h was not found.\n"
    "HINT: run scripts/fetch-models header, or install ONNX Runtime's development package, "
    "or say -DONNXRUNTIME_INCLUDE_DIR=FOLDER")
endif()
file(STRINGS ${onnxruntime_header}/onnxruntime_c_api.h version_line REGEX "^#define ORT_API_VERSION ")
string(REGEX MATCH "[0-9]+" onnxruntime_found_api "${version_line}")
if(onnxruntime_found_api LESS ONNXRUNTIME_API)
  message(FATAL_ERROR "${onnxruntime_header}/onnxruntime_c_api.h is of API ${onnxruntime_found_api}, "
    "${ONNXRUNTIME_API} (ONNX Runtime 1.21) is needed.\n"
    "HINT: run scripts/fetch-models header, and say -DONNXRUNTIME_INCLUDE_DIR=${CMAKE_SOURCE_DIR}/build/onnxruntime/include")
endif()

# Where the package of the local models puts the library: private, so that it meets no other program.
include(GNUInstallDirs)
set(MEMOIRD_PRIVATE_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}/memoird" CACHE PATH
  "Folder in which memoird looks for libonnxruntime.so before the system's")

add_library(memoir_onnxruntime INTERFACE)
target_include_directories(memoir_onnxruntime SYSTEM INTERFACE ${onnxruntime_header})
target_compile_definitions(memoir_onnxruntime INTERFACE
  MEMOIRD_ORT_API=${ONNXRUNTIME_API} MEMOIRD_PRIVATE_LIBDIR="${MEMOIRD_PRIVATE_LIBDIR}")
