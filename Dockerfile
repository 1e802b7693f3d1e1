# A server for a trained model, without a GPU. First build the wheel, then the image:
#   python -m pip wheel --no-deps --wheel-dir dist .
#   docker build --tag mt .
#   docker run --publish 127.0.0.1:8000:8000 --volume "$PWD/runs/demo:/run/model:ro" mt
FROM python:3.12-slim
RUN useradd --create-home mt
COPY constraints.txt dist/mt-*.whl /tmp/
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu "$(ls /tmp/mt-*.whl)[documents,serve]" \
    && rm /tmp/constraints.txt /tmp/mt-*.whl
USER mt
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["mt", "serve", "--host", "0.0.0.0"]
CMD ["/run/model"]
