# The container image; `make image` builds it. tools/image.py decides what is in it, and tests run that.
#
# BUILDER is an image with Python >= 3.11, pip, ldd and CA certificates, whose interpreter and libraries go into the
# image. It has no default: name it by its digest, as docs/how-to/build-the-image.md says.
ARG BUILDER

FROM ${BUILDER} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /source
COPY LICENSE ./
COPY requirements/cloud.txt requirements/
COPY template-engine/licences.txt template-engine/
COPY deploy/crds deploy/crds
COPY tools/image.py tools/
COPY dist/*.whl dist/
RUN ["python3", "tools/image.py", "--wheel", "dist", "/image"]

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/vault-secrets-operator"]
