# One image for nodes and load generator; docker-compose.yml runs three containers of it.
FROM python:3.12-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY eiha eiha
COPY benchmarks benchmarks
COPY examples examples
RUN pip install --no-cache-dir --constraint constraints.txt . \
 && useradd --create-home eiha && mkdir /data && chown eiha /data
# As the user that runs the nodes: the compiled kernels are kept in its home.
USER eiha
RUN eiha prepare
VOLUME /data
ENTRYPOINT ["python", "-m"]
CMD ["eiha.node", "--config", "/etc/eiha/node.toml"]
